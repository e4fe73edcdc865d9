"""Loads the wanted versions of every model, swaps new ones in, drains old ones; no request fails over it.

The life of a version: START -> LOADING (load, warm-up) -> AVAILABLE -> UNLOADING (drain, close) -> END. The requests'
view is one immutable table that is replaced whole, so a request sees the old version or the new one, never neither.
An old version goes only when a new one is available (TensorFlow Serving's AvailabilityPreservingPolicy).
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from serving.server import versions
from serving.server.config import ModelSettings
from serving.server.servable import Servable
from serving.server.states import ModelRecord, State, VersionRecord
from serving.server.status import Code, ServingError, unexpected

log = logging.getLogger(__name__)

# While a folder is being copied or a load is due again, the next look comes sooner than the polling time.
_IMPATIENT_SECONDS = 0.25

Table = dict[str, dict[int, Servable]]


class ModelManager:
    """Keeps the models of a configuration served.

    Args:
        load: `(name, version, path) -> Servable`, warmed up; raises ServingError.
        poll_seconds: time between looks at the file system; 0: only until every model is there.
        max_retries, retry_seconds: how often and when a failed load is tried again.
        load_threads, unload_threads: loads, and unloads, that run at the same time.
    """

    def __init__(
        self,
        load: Callable[[str, int, str], Servable],
        poll_seconds: float = 1.0,
        max_retries: int = 5,
        retry_seconds: float = 60.0,
        load_threads: int = 1,
        unload_threads: int = 1,
    ):
        self._load = load
        self._poll_seconds = poll_seconds
        self._max_retries = max_retries
        self._retry_seconds = retry_seconds
        self._models: dict[str, ModelRecord] = {}
        self._table: Table = {}
        self._gate = versions.CompletenessGate()
        self._changed = threading.Condition(threading.RLock())
        self._wake = threading.Event()
        self._stopping = False
        self._loaders = ThreadPoolExecutor(max(load_threads, 1), "load")
        self._unloaders = ThreadPoolExecutor(max(unload_threads, 1), "unload")
        self._poller = threading.Thread(target=self._poll_forever, name="poll", daemon=True)
        self._complained: set[tuple[str, str]] = set()

    # === What requests ask ===

    def available(self, name: str) -> dict[int, Servable]:
        """The servables of a model by version; not to be changed."""
        return self._table.get(name, {})

    def records(self, name: str) -> list[VersionRecord]:
        """All versions ever seen, oldest number first."""
        with self._changed:
            model = self._models.get(name)
            return sorted(model.versions.values(), key=lambda r: r.version) if model else []

    def models(self) -> list[tuple[ModelSettings, list[VersionRecord]]]:
        """Every model that is configured or not unloaded yet, by name, with its versions' records as they are."""
        with self._changed:
            return [
                (model.settings, sorted((replace(r) for r in model.versions.values()), key=lambda r: r.version))
                for _, model in sorted(self._models.items())
                if not model.removed or any(record.state != State.END for record in model.versions.values())
            ]

    # === What the server does with it ===

    def start(self) -> None:
        self._poller.start()

    def configure(self, models: Iterable[ModelSettings]) -> set[str]:
        """Serves these models and no others from the next look on; returns the names that were not served before."""
        with self._changed:
            settings = {model.name: model for model in models}
            added = {name for name in settings if name not in self._models or self._models[name].removed}
            for name, model in self._models.items():
                model.removed = name not in settings
                if not model.removed:
                    model.settings = settings[name]
            for name in added:
                before = self._models[name].versions if name in self._models else {}
                kept = {number: record for number, record in before.items() if not record.given_up}
                self._models[name] = ModelRecord(settings[name], kept)
        self._wake.set()
        return added

    def wait_until_ready(
        self, names: Iterable[str], what: str = "model(s)", interrupted: Callable[[], bool] = lambda: False
    ) -> None:
        """Waits until each model has a version that answers. Raises ServingError for those that were given up."""
        names = set(names)
        with self._changed:
            while not interrupted() and not self._stopping:
                waiting = [self._models[n] for n in names if not self._models[n].ready and not self._models[n].failed]
                if not waiting:
                    break
                self._changed.wait(0.2)  # a look now and then: a signal handler cannot notify
            failed = [self._models[n] for n in sorted(names) if self._models[n].failed]
        if failed:
            lost = [record for model in failed for record in model.versions.values() if record.given_up]
            why = "".join(f"{{{record} due to error: {record.error}}}, " for record in lost)
            raise ServingError(Code.UNKNOWN, f"{len(lost)} {what} did not become available: {{{why}}}")

    def stop(self, timeout: float | None = None) -> bool:
        """Drains and closes everything; False where a request was still under way after `timeout` seconds."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._wake.set()
        if self._poller.is_alive():
            self._poller.join()
        self._loaders.shutdown(cancel_futures=True)
        with self._changed:
            servables = [servable for table in self._table.values() for servable in table.values()]
            self._table = {}
        deadline = None if timeout is None else time.monotonic() + timeout
        drained = True
        for servable in servables:
            if servable.drain(None if deadline is None else max(deadline - time.monotonic(), 0)):
                servable.close()
            else:
                drained = False
        self._unloaders.shutdown(wait=timeout is None)
        return drained

    # === Polling ===

    def _poll_forever(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                with self._changed:
                    unfinished = self._poll()
            except Exception:
                log.exception("looking for versions failed; it is tried again")
                unfinished = True
            if unfinished:
                self._wake.wait(min(self._poll_seconds or _IMPATIENT_SECONDS, _IMPATIENT_SECONDS))
            else:
                self._wake.wait(self._poll_seconds or None)

    def _poll(self) -> bool:
        """One look at every model; True when something is under way and the next look should come soon."""
        unfinished = False
        seen = set()
        for model in list(self._models.values()):
            unfinished |= self._look_at(model, seen)
        self._gate.forget_all_but(seen)
        return unfinished

    def _look_at(self, model: ModelRecord, seen: set) -> bool:
        folders = {} if model.removed else self._folders(model.settings)
        if folders is None:
            return not model.ready and not self._poll_seconds
        seen.update(folders.values())
        usable, coming = [], []
        for version, path in folders.items():
            (usable if self._is_usable(model.versions.get(version), path) else coming).append(version)
        model.aspired = versions.wanted(model.settings, usable)
        for version in model.aspired:
            self._load_if_due(model, version, folders[version])
        if usable or not coming:
            self._retire(model)  # else what serves is kept until the version that is coming is there
        settling = any(self._gate.snapshot(folders[version]) for version in coming)
        return settling or (not model.ready and not self._poll_seconds and not model.removed)

    def _is_usable(self, record: VersionRecord | None, path) -> bool:
        if record is not None and record.state == State.AVAILABLE:
            return True  # what happens to its files later does not matter
        if record is not None and record.state == State.LOADING and not record.failures:
            return True
        return self._gate.complete(path)

    def _folders(self, settings: ModelSettings):
        try:
            folders = versions.scan(settings.base_path)
        except OSError as error:
            # A base path that is away for a moment is no order to unload.
            self._complain(settings.name, f"cannot read base path {settings.base_path}: {error.strerror}")
            return None
        if not folders:
            self._complain(settings.name, f"no versions found under base path {settings.base_path}")
        return folders

    def _complain(self, name: str, what: str) -> None:
        if (name, what) not in self._complained:  # once, not at every look
            self._complained.add((name, what))
            log.warning("model %s: %s", name, what)

    # === Loading ===

    def _load_if_due(self, model: ModelRecord, version: int, path) -> None:
        record = model.versions.get(version)
        if record is None or (record.state == State.END and not record.given_up):
            record = model.versions[version] = VersionRecord(model.settings.name, version, path)
        snapshot = self._gate.snapshot(path)
        changed = record.tried is not None and snapshot is not None and snapshot != record.tried
        if record.given_up and changed:
            record = model.versions[version] = VersionRecord(model.settings.name, version, path)
        due = record.state == State.START or (
            record.state == State.LOADING and record.failures and (changed or time.monotonic() >= record.retry_at)
        )
        if due and not record.busy:
            record.busy, record.state, record.tried = True, State.LOADING, snapshot
            self._loaders.submit(self._load_one, model, record)

    def _load_one(self, model: ModelRecord, record: VersionRecord) -> None:
        log.info("loading servable version %s from %s", record, record.path)
        started = time.monotonic()
        try:
            servable, error = self._load(record.name, record.version, str(record.path)), None
        except ServingError as failure:
            servable, error = None, failure
        except Exception as failure:
            log.exception("loading %s failed", record)
            servable, error = None, unexpected(failure)
        with self._changed:
            record.busy = False
            if servable:
                record.state, record.servable = State.AVAILABLE, servable
                self._publish(record.name)
                log.info("successfully loaded servable version %s in %.1f s", record, time.monotonic() - started)
                self._retire(model)
            else:
                self._note_failure(record, error)
            self._changed.notify_all()
        self._wake.set()

    def _note_failure(self, record: VersionRecord, error: ServingError) -> None:
        record.failures += 1
        if record.failures > self._max_retries:
            record.state, record.error = State.END, error
            log.error("loading servable %s failed, given up: %s", record, error)
        else:
            record.retry_at = time.monotonic() + self._retry_seconds
            log.error("loading servable %s failed, tried again in %g s: %s", record, self._retry_seconds, error)

    # === Unloading ===

    def _retire(self, model: ModelRecord) -> None:
        """Unloads what is not wanted any more, once something that is wanted answers."""
        available = model.in_state(State.AVAILABLE)
        if model.aspired and not any(record.version in model.aspired for record in available):
            return
        for record in available:
            if record.version not in model.aspired and not record.busy:
                record.busy, record.state = True, State.UNLOADING
                self._publish(record.name)
                self._unloaders.submit(self._unload_one, record)
        for record in model.in_state(State.LOADING):
            if record.version not in model.aspired and not record.busy:
                record.state = State.END  # it failed before and is gone: not tried again

    def _unload_one(self, record: VersionRecord) -> None:
        record.servable.drain()
        record.servable.close()
        with self._changed:
            record.servable, record.state, record.busy = None, State.END, False
            self._changed.notify_all()
        log.info("unloaded servable version %s", record)

    def _publish(self, name: str) -> None:
        servables = {r.version: r.servable for r in self._models[name].in_state(State.AVAILABLE)}
        self._table = {**self._table, name: servables}
