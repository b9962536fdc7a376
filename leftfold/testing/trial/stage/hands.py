"""A worker as the trial holds it: started, stopped, killed and started again under its next name."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from leftfold.errors import StoreUnavailable
from leftfold.testing.trial.workload.worker import Setting

PATIENCE = 60.0
"""Seconds within which whatever is waited for must have happened."""


class Hand:
    """One worker process after the other. ``name`` is ``SLOT.LIFE``."""

    def __init__(self, slot: int, setting: Setting) -> None:
        self.slot = slot
        self.life = 0
        self.surprises: list[str] = []
        """How processes ended that the trial had not killed."""
        self._setting = setting
        self._process: subprocess.Popen[bytes] | None = None
        self._heard: dict[str, threading.Event] = {}
        self._ended = threading.Event()
        self.turn = threading.Lock()
        """Held by a fault while it acts on the process, so that no other disturbs it."""

    @property
    def name(self) -> str:
        return f"{self.slot}.{self.life}"

    @property
    def _errors(self) -> Path:
        return Path(self._setting.directory) / f"worker-{self.name}.err"

    def start(self, url: str) -> None:
        """Begin a new life, at this URL."""
        self.life += 1
        seed = f"{self._setting.seed}/{self.name}"
        setting = msgspec.structs.replace(self._setting, url=url, name=self.name, seed=seed)
        command = [
            sys.executable,
            "-m",
            "leftfold.testing.trial.workload.worker",
            msgspec.json.encode(setting).decode(),
        ]
        self._heard = {word: threading.Event() for word in ("open", "quiet")}
        self._ended = threading.Event()
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
            )
        threading.Thread(target=self._listen, args=(self._process, self._heard, self._ended), daemon=True).start()

    def _listen(
        self, process: subprocess.Popen[bytes], heard: dict[str, threading.Event], ended: threading.Event
    ) -> None:
        assert process.stdout is not None
        assert process.stdin is not None
        with process.stdout:
            for line in process.stdout:
                heard[line.decode().strip()].set()
        process.wait()
        with suppress(BrokenPipeError):
            process.stdin.close()
        ended.set()
        for word in heard.values():  # no caller needs to wait any more
            word.set()

    def tell(self, words: str) -> None:
        """Give an order; a dead worker does not hear it."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(BrokenPipeError, ValueError):
                self._process.stdin.write(f"{words}\n".encode())
                self._process.stdin.flush()

    def hear(self, word: str, seconds: float = PATIENCE) -> bool:
        """Whether it has said the word by then, and lives."""
        return self._heard[word].wait(seconds) and not self._ended.is_set()

    def send(self, what: signal.Signals) -> None:
        if self._process is not None and not self._ended.is_set():
            self._process.send_signal(what)

    def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self.notice()
        self.send(signal.SIGKILL)
        self._finish()

    @property
    def is_well(self) -> bool:
        """Whether it lives, or is just being seen to."""
        if not self.turn.acquire(blocking=False):
            return True
        try:
            return self.notice()
        finally:
            self.turn.release()

    def notice(self) -> bool:
        """Whether the process lives; a death that the trial did not cause is a surprise. The caller holds the turn."""
        if self._process is not None and self._ended.is_set() and self._process.returncode != 0:
            self.surprises.append(self._describe(self._process.returncode))
            self._process = None
        return self._process is not None

    def end(self, seconds: float = PATIENCE) -> bool:
        """Whether it ends by itself by then, as it was told to."""
        done = self._ended.wait(seconds)
        self.notice()
        return done

    def close(self) -> None:
        """End it, whatever it does."""
        if self._process is not None:
            self.send(signal.SIGKILL)
            self._finish()

    def _finish(self) -> None:
        if self._process is not None and not self._ended.wait(PATIENCE):
            raise StoreUnavailable(f"worker {self.name} (pid {self._process.pid}) does not die")
        self._process = None

    def _describe(self, code: int) -> str:
        said = self._errors.read_text(errors="replace").strip()
        how = f"ended with exit code {code}" if code >= 0 else f"ended by signal {signal.Signals(-code).name}"
        return f"worker {self.name} {how}: {said[-1500:] or 'it said nothing'}"
