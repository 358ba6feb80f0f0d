// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Code, Refused} from "poft/types/Code.sol";

/// A point of G1 in EIP-2537's layout: each coordinate in 64 bytes, of which the first 16 are zero.
struct G1 {
    uint256 xHigh;
    uint256 xLow;
    uint256 yHigh;
    uint256 yLow;
}

/// A point of G2 in EIP-2537's layout: x and y in Fp2, each as c0 and c1.
struct G2 {
    uint256 x0High;
    uint256 x0Low;
    uint256 x1High;
    uint256 x1Low;
    uint256 y0High;
    uint256 y0Low;
    uint256 y1High;
    uint256 y1Low;
}

/// BLS signatures on BLS12-381 with signatures in G1 and keys in G2, by the precompiles of EIP-2537 (Prague).
///
/// Ciphersuite `BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_` of draft-irtf-cfrg-bls-signature, hashing to the curve as
/// RFC 9380. The precompiles refuse coordinates that are not below p and points off the curve; pairings and multiplications
/// refuse points out of the subgroup as well, additions do not. Infinity is zero words, and no precompile refuses it.
///
/// A precompile that refuses its input takes all gas it was given, so each is given twice its price: a forgery costs its
/// sender that, and a chain that doubles a price keeps its verifiers. On a chain without them every call returns nothing,
/// which is a refusal here. Twins: `poft_bls12381/curve.py`, `substrate/bls1/src/curve.rs`.
library Bls12381 {
    uint256 internal constant G1_BYTES = 96;
    uint256 internal constant G2_BYTES = 192;
    bytes internal constant SIGNATURE_TAG = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";
    bytes internal constant POSSESSION_TAG = "BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";

    address private constant MODEXP = address(0x05);
    address private constant G1_ADD = address(0x0b);
    address private constant G2_ADD = address(0x0d);
    address private constant G2_MULTIPLY = address(0x0e);
    address private constant PAIRING = address(0x0f);
    address private constant MAP_TO_G1 = address(0x10);

    // Prices of EIP-2537, and of modexp by EIP-7883 (Osaka).
    uint256 private constant MODEXP_GAS = 500;
    uint256 private constant G1_ADD_GAS = 375;
    uint256 private constant G2_ADD_GAS = 600;
    uint256 private constant G2_MULTIPLY_GAS = 22_500;
    uint256 private constant TWO_PAIRINGS_GAS = 102_900;
    uint256 private constant MAP_TO_G1_GAS = 5500;

    // p, and (p - 1) / 2.
    uint256 private constant FIELD_HIGH = 0x1a0111ea397fe69a4b1ba7b6434bacd7;
    uint256 private constant FIELD_LOW = 0x64774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab;
    uint256 private constant HALF_HIGH = 0x0d0088f51cbff34d258dd3db21a5d66b;
    uint256 private constant HALF_LOW = 0xb23ba5c279c2895fb39869507b587b120f55ffff58a9ffffdcff7fffffffd555;

    /// The point whose packed coordinates stand at `offset`, where the caller knows them to be; whether they are those of a
    /// point, a precompile tells.
    function readG1(bytes calldata encoded, uint256 offset) internal pure returns (G1 memory point) {
        assembly ("memory-safe") {
            let source := add(encoded.offset, offset)
            calldatacopy(add(point, 0x10), source, 48)
            calldatacopy(add(point, 0x50), add(source, 48), 48)
        }
    }

    /// As `readG1`.
    function readG2(bytes calldata encoded, uint256 offset) internal pure returns (G2 memory point) {
        uint256 target;
        assembly ("memory-safe") {
            target := point
        }
        _copyG2(target, encoded, offset);
    }

    /// The inverse of `readG2`.
    function pack(G2 memory point) internal pure returns (bytes memory) {
        return bytes.concat(
            _packed(point.x0High, point.x0Low),
            _packed(point.x1High, point.x1Low),
            _packed(point.y0High, point.y0Low),
            _packed(point.y1High, point.y1Low)
        );
    }

    /// Whether `signature` is that of `message` by the secret of `key`: both are points of their subgroups, the signature
    /// is not infinity, and e(signature, g2) = e(H(message), key). With infinity as key nothing but infinity verifies.
    function verifies(G2 memory key, bytes memory message, G1 memory signature, bytes memory tag)
        internal
        view
        returns (bool)
    {
        if (signature.xHigh | signature.xLow | signature.yHigh | signature.yLow == 0) return false;
        bytes memory pairs = abi.encode(signature, _negativeGenerator(), hashToG1(message, tag), key);
        (bool success, bytes memory answer) = PAIRING.staticcall{gas: 2 * TWO_PAIRINGS_GAS}(pairs);
        return success && answer.length == 32 && abi.decode(answer, (uint256)) == 1;
    }

    /// Whether `proof` shows that somebody knows the secret of `key`.
    function possesses(G2 memory key, G1 memory proof) internal view returns (bool) {
        return verifies(key, compress(key), proof, POSSESSION_TAG);
    }

    /// Whether this is a point of G2 but infinity.
    function isKey(G2 memory point) internal view returns (bool) {
        (bool success, bytes memory answer) =
            G2_MULTIPLY.staticcall{gas: 2 * G2_MULTIPLY_GAS}(abi.encode(point, uint256(1)));
        return success && answer.length == 256 && !isInfinity(point);
    }

    function isInfinity(G2 memory point) internal pure returns (bool) {
        return (point.x0High | point.x0Low | point.x1High | point.x1Low | point.y0High | point.y0Low | point.y1High
                    | point.y1Low) == 0;
    }

    /// An empty sum for `addAt`: room for the sum and for the point that is added next.
    function emptySum() internal pure returns (bytes memory) {
        return new bytes(512);
    }

    /// Adds the point at `offset` to a sum, in the sum's own memory: `readG2` and `add` would copy each point four times,
    /// some 5,000 gas for every absent member. False where the point is not on the curve.
    function addAt(bytes memory sum, bytes calldata encoded, uint256 offset) internal view returns (bool success) {
        uint256 second;
        assembly ("memory-safe") {
            second := add(sum, 0x120)
        }
        _copyG2(second, encoded, offset);
        uint256 price = 2 * G2_ADD_GAS;
        address precompile = G2_ADD;
        assembly ("memory-safe") {
            let first := add(sum, 0x20)
            success := staticcall(price, precompile, first, 0x200, first, 0x100)
            success := and(success, eq(returndatasize(), 0x100))
        }
    }

    /// What a sum has come to.
    function total(bytes memory sum) internal pure returns (G2 memory point) {
        assembly ("memory-safe") {
            point := add(sum, 0x20)
        }
    }

    /// The sum of two points; `success` is false where one is not on the curve.
    function add(G2 memory first, G2 memory second) internal view returns (bool success, G2 memory sum) {
        bytes memory answer;
        (success, answer) = G2_ADD.staticcall{gas: 2 * G2_ADD_GAS}(abi.encode(first, second));
        success = success && answer.length == 256;
        if (success) sum = abi.decode(answer, (G2));
    }

    /// The negative of a point that a precompile returned, so that its coordinates are below p.
    function negate(G2 memory point) internal pure returns (G2 memory negative) {
        (negative.x0High, negative.x0Low) = (point.x0High, point.x0Low);
        (negative.x1High, negative.x1Low) = (point.x1High, point.x1Low);
        (negative.y0High, negative.y0Low) = _negative(point.y0High, point.y0Low);
        (negative.y1High, negative.y1Low) = _negative(point.y1High, point.y1Low);
    }

    /// A key as the proof of possession signs it: the compressed form that the draft takes from the ZCash library, x as
    /// c1 and c0, and three flags in its first bits.
    function compress(G2 memory key) internal pure returns (bytes memory compressed) {
        compressed = bytes.concat(_packed(key.x1High, key.x1Low), _packed(key.x0High, key.x0Low));
        bool upper =
            key.y1High | key.y1Low == 0 ? _isUpperHalf(key.y0High, key.y0Low) : _isUpperHalf(key.y1High, key.y1Low);
        compressed[0] |= upper ? bytes1(0xa0) : bytes1(0x80);
    }

    /// RFC 9380 section 3, `hash_to_curve` of suite BLS12381G1_XMD:SHA-256_SSWU_RO_. The precompile maps into the
    /// subgroup, so the sum needs no clearing.
    function hashToG1(bytes memory message, bytes memory tag) internal view returns (G1 memory point) {
        (bytes memory first, bytes memory second) = hashToField(message, tag);
        bytes memory mapped =
            bytes.concat(_call(MAP_TO_G1, MAP_TO_G1_GAS, first), _call(MAP_TO_G1, MAP_TO_G1_GAS, second));
        return abi.decode(_call(G1_ADD, G1_ADD_GAS, mapped), (G1));
    }

    /// RFC 9380 section 5, `hash_to_field` of two elements: 128 bytes of `expand_message_xmd`, two numbers of 512 bits
    /// modulo p. Elements are 64 bytes, as the precompiles take them.
    function hashToField(bytes memory message, bytes memory tag)
        internal
        view
        returns (bytes memory first, bytes memory second)
    {
        // The tag with its length; `message` with a block of zeros before it, and the number of bytes that are wanted.
        bytes memory suffix = bytes.concat(tag, bytes1(uint8(tag.length)));
        bytes32 b0 = sha256(bytes.concat(bytes32(0), bytes32(0), message, bytes3(0x008000), suffix));
        bytes memory input = bytes.concat(bytes32(0), bytes1(0), suffix);
        bytes32 b1 = _block(input, b0, 1);
        bytes32 b2 = _block(input, b0 ^ b1, 2);
        bytes32 b3 = _block(input, b0 ^ b2, 3);
        bytes32 b4 = _block(input, b0 ^ b3, 4);
        return (_reduce(b1, b2), _reduce(b3, b4));
    }

    /// Block `index` of the expansion: the hash of `input` with its first 33 bytes replaced.
    function _block(bytes memory input, bytes32 head, uint256 index) private pure returns (bytes32) {
        assembly ("memory-safe") {
            mstore(add(input, 0x20), head)
            mstore8(add(input, 0x40), index)
        }
        return sha256(input);
    }

    /// A number of 512 bits modulo p: its first power, by modexp with operands of 64, 1 and 64 bytes.
    function _reduce(bytes32 high, bytes32 low) private view returns (bytes memory) {
        return _call(
            MODEXP,
            MODEXP_GAS,
            abi.encodePacked(uint256(64), uint256(1), uint256(64), high, low, uint8(1), FIELD_HIGH, FIELD_LOW)
        );
    }

    /// A call with operands that the precompile takes: where the chain has it, it does not fail.
    function _call(address precompile, uint256 price, bytes memory input) private view returns (bytes memory) {
        (bool success, bytes memory answer) = precompile.staticcall{gas: 2 * price}(input);
        require(success && answer.length != 0, Refused(Code.BadSignature));
        return answer;
    }

    /// Packed coordinates into the layout of the precompiles; the bytes between them are zero and stay so.
    function _copyG2(uint256 target, bytes calldata encoded, uint256 offset) private pure {
        assembly ("memory-safe") {
            let source := add(encoded.offset, offset)
            calldatacopy(add(target, 0x10), source, 48)
            calldatacopy(add(target, 0x50), add(source, 48), 48)
            calldatacopy(add(target, 0x90), add(source, 96), 48)
            calldatacopy(add(target, 0xd0), add(source, 144), 48)
        }
    }

    function _packed(uint256 high, uint256 low) private pure returns (bytes memory) {
        // Only coordinates that were read from 48 bytes, or that a precompile returned, come here: 16 bytes each.
        // forge-lint: disable-next-line(unsafe-typecast)
        return abi.encodePacked(uint128(high), low);
    }

    /// p minus a coordinate below p; zero stays zero.
    function _negative(uint256 high, uint256 low) private pure returns (uint256, uint256) {
        if (high | low == 0) return (0, 0);
        // The borrow of the lower half is taken from the upper one, and the value is below p.
        unchecked {
            return (FIELD_HIGH - high - (low > FIELD_LOW ? 1 : 0), FIELD_LOW - low);
        }
    }

    /// Whether a coordinate is larger than its negative.
    function _isUpperHalf(uint256 high, uint256 low) private pure returns (bool) {
        return high > HALF_HIGH || (high == HALF_HIGH && low > HALF_LOW);
    }

    /// The generator of G2 with its sign changed.
    function _negativeGenerator() private pure returns (G2 memory) {
        return G2({
            x0High: 0x024aa2b2f08f0a91260805272dc51051,
            x0Low: 0xc6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8,
            x1High: 0x13e02b6052719f607dacd3a088274f65,
            x1Low: 0x596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e,
            y0High: 0x0d1b3cc2c7027888be51d9ef691d77bc,
            y0Low: 0xb679afda66c73f17f9ee3837a55024f78c71363275a75d75d86bab79f74782aa,
            y1High: 0x13fa4d4a0ad8b1ce186ed5061789213d,
            y1Low: 0x993923066dddaf1040bc3ff59f825c78df74f2d75467e25e0f55f8a00fa030ed
        });
    }
}
