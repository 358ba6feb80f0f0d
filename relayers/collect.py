"""Asking attestors over HTTP. Each may be dead, slow, endless or hostile: bounded in bytes and in time, all at once.

Every attestor has one daemon thread. One that has not answered when its time is over is not asked again before it has,
so it holds up nobody but itself; a late answer counts in the round in which it comes.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import httpx

from poft.protocol.errors import Code, Refused, Unreachable

from .wire import MAX_PAGE_BYTES, Attestation, read_page

Fault = Callable[[str, Refused | Unreachable], None]
_Page = list[Attestation]
_Question = tuple[int, int, int | None]  # after this height, in this epoch, before that height
_Answer = tuple[str, _Page | Refused | Unreachable]


class Attestors:
    """The attestors of one source."""

    def __init__(self, domain: bytes, urls: Sequence[str], seconds: float, fault: Fault) -> None:
        self._domain, self._seconds, self._fault = domain, seconds, fault
        # No proxies from the environment, no redirects: an attestor's URL is where its statements come from.
        self._client = httpx.Client(timeout=seconds, trust_env=False, follow_redirects=False)
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        self._questions: dict[str, queue.SimpleQueue[_Question | None]] = {}
        self._asked: set[str] = set()
        for url in urls:
            self._questions[url] = queue.SimpleQueue()
            threading.Thread(target=self._ask, args=(url,), name=f"ask {url}", daemon=True).start()

    def close(self) -> None:
        """Ends the threads; one that is being held up ends with the process."""
        for questions in self._questions.values():
            questions.put(None)

    def pages(self, after: int, epoch: int, before: int | None = None) -> Iterator[list[_Page]]:
        """All pages that have come so far, each time another one comes; ends with the last one or the time limit.

        A page holds an attestor's newest statements of the epoch with after < height (< before).
        """
        for url in self._questions.keys() - self._asked:
            self._questions[url].put((after, epoch, before))
            self._asked.add(url)
        deadline = time.monotonic() + self._seconds
        got: list[_Page] = []
        while self._asked and (left := deadline - time.monotonic()) > 0:
            try:
                url, answer = self._answers.get(timeout=left)
            except queue.Empty:
                break
            self._asked.discard(url)
            if isinstance(answer, Refused | Unreachable):
                self._fault(url, answer)
            else:
                got.append(answer)
                yield list(got)
        for url in self._asked:
            self._fault(url, Unreachable(f"{url} takes longer than {self._seconds} s"))

    def all_pages(self, after: int, epoch: int, before: int | None = None) -> list[_Page]:
        """What `pages` ends with."""
        rounds = list(self.pages(after, epoch, before))
        return rounds[-1] if rounds else []

    def _ask(self, url: str) -> None:
        while (question := self._questions[url].get()) is not None:
            try:
                answer: _Page | Refused | Unreachable = self._page(url, *question)
            except (Refused, Unreachable) as error:
                answer = error
            self._answers.put((url, answer))

    def _page(self, url: str, after: int, epoch: int, before: int | None) -> list[Attestation]:
        """One attestor's page; raises `Refused` or `Unreachable`."""
        deadline = time.monotonic() + self._seconds
        asked = {"after": after, "epoch": epoch, **({} if before is None else {"before": before})}
        body = bytearray()
        try:
            with self._client.stream("GET", f"{url.rstrip('/')}/statements", params=asked) as response:
                if response.status_code != httpx.codes.OK:
                    raise Unreachable(f"{url} answers {response.status_code}")
                # Raw bytes: a compressed body could be small on the wire and endless in memory.
                for piece in response.iter_raw():
                    body += piece
                    if len(body) > MAX_PAGE_BYTES:
                        raise Refused(Code.Oversize, url, f"more than {MAX_PAGE_BYTES} bytes")
                    if time.monotonic() > deadline:
                        raise Unreachable(f"{url} takes longer than {self._seconds} s")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{url}: {type(error).__name__}: {error}") from error
        return read_page(self._domain, bytes(body))
