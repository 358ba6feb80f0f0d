#!/usr/bin/env node
// The compiler that forge calls. forge would download one; this is the pinned npm build behind the two calls that
// forge makes: `solc --version`, and `solc --standard-json` with its options, whose input comes on stdin. forge names
// sources outside of its root by absolute path, while their relative imports of each other resolve to relative ones:
// those are read here.
"use strict";

const fs = require("node:fs");
const solc = require("solc");

function readSource(path) {
  try {
    return { contents: fs.readFileSync(path, "utf8") };
  } catch (error) {
    return { error: error.message };
  }
}

if (process.argv.includes("--version")) {
  const version = solc.version().replace(/\.Emscripten\.clang$/, ".Linux.g++");
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
} else {
  process.stdout.write(solc.compile(fs.readFileSync(0, "utf8"), { import: readSource }));
}
