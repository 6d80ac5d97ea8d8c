"""usage: python3 run.py load|call|run LIST MILLISECONDS

Goes through LIST ({"entries": [{"index": 0, "name": "x"}, ...]}) in order and tells on descriptor 3, a line
each: `start INDEX`, `done INDEX TOKEN`, `fail INDEX TOKEN TEXT`, and `end`; TOKEN is the entry's, if it has one.
  load  imports each module
  call  imports it and calls what it defines with inert arguments; MILLISECONDS bounds all calls together
  run   starts a program (`run PROGRAM ARGUMENT...` or `module NAME`); MILLISECONDS bounds each
"""

# Loaded code may change any module, so whatever is used later is taken now.
import atexit
import importlib
import json
import os
import re
import signal
import sys
import threading
import time

_import = importlib.import_module
_write = os.write
_getpid = os.getpid
_exit = os._exit
_now = time.monotonic
_sleep = time.sleep
_threads = threading.enumerate
_setitimer = signal.setitimer
_signal = signal.signal
_run_exit_functions = atexit._run_exitfuncs
_main_pid = _getpid()
_main_thread = threading.current_thread()

# What is still going on after the last entry gets this long, seconds: loading starts it on purpose, calls with
# inert arguments often leave something that never ends.
GRACE = {"load": 3.0, "call": 1.0}

# Moved away from 3 so that children and code that closes low descriptors do not touch it.
_report = os.dup(3)
os.close(3)
os.register_at_fork(after_in_child=lambda _close=os.close, _fd=_report: _close(_fd))


def report(line):
    data = line.encode("utf-8", "backslashreplace") + b"\n"
    try:
        while data:
            data = data[_write(_report, data):]
    except OSError:
        pass


class Left(BaseException):
    """The code asked to end the process."""


class Late(BaseException):
    """A call took too long."""


def leave(status=0):
    if _getpid() != _main_pid:
        _exit(status)
    raise Left("asked to exit")


def on_alarm(_number, _frame):
    raise Late("took too long")


def stay_alive():
    os._exit = leave
    _signal(signal.SIGALRM, on_alarm)
    _signal(signal.SIGINT, signal.default_int_handler)


def describe(error):
    """One line, whatever was raised; showing it may run code and raise again."""
    try:
        text = "%s: %s" % (type(error).__name__, error)
        return "".join(c if c.isprintable() else " " for c in text[:300])
    except BaseException:
        return "raised something that cannot be shown"


class guard:
    """Ends the block with Late after some seconds, again and again for code that catches it."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __enter__(self):
        _signal(signal.SIGALRM, on_alarm)
        _setitimer(signal.ITIMER_REAL, self.seconds, 0.1)

    def __exit__(self, *_):
        _setitimer(signal.ITIMER_REAL, 0)
        return False


def unpacked_sources():
    """Where the distribution lies that could not be installed, if it could not."""
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "src")
    return [folder, os.path.join(folder, "src")] if os.path.isdir(folder) else []


# --- calling -----------------------------------------------------------------------------------------

NEVER_CALL = {"exit", "quit", "abort", "kill", "killpg", "fork", "forkpty", "breakpoint", "set_trace", "interact"}
MOST_METHODS = 50


class Inert:
    """Answers everything, leads nowhere: attributes are inert up to a depth, so that following them ends."""

    def __init__(self, depth=3):
        object.__setattr__(self, "_depth", depth)

    def __getattr__(self, name):
        if name.startswith("__") or self._depth <= 0:
            raise AttributeError(name)
        return Inert(self._depth - 1)

    def __setattr__(self, name, value):
        pass

    def __call__(self, *_args, **_named):
        return Inert(self._depth - 1) if self._depth > 0 else None

    def __getitem__(self, _key):
        raise IndexError

    def __iter__(self):
        return iter(())

    def __len__(self):
        return 0

    def __bool__(self):
        return True

    def __contains__(self, _item):
        return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return False

    def __str__(self):
        return ""

    __repr__ = __fspath__ = __str__

    def __int__(self):
        return 0

    __index__ = __hash__ = __int__

    def __float__(self):
        return 0.0

    def __eq__(self, other):
        return self is other


PLAIN = {str: "", "str": "", bytes: b"", "bytes": b"", int: 1, "int": 1, bool: True, "bool": True, float: 1.0, "float": 1.0}


# Nobody who is given a signing key has reason to pass it on. Keys of services are another matter: their clients send
# them.
SIGNING_KEY = re.compile(r"(secret|private)_?key|mnemonic|seed_?phrase|key_?pair", re.I)
OF_A_SERVICE = re.compile(r"client|api|access|app|consumer|shared|webhook|auth|public", re.I)
OWN_KEY = os.environ.get("AWS_SECRET_ACCESS_KEY")


def key_parameters(inspect, value):
    """Names of the parameters of a function that ask for a signing key."""
    if not OWN_KEY or not inspect.isfunction(value):
        return []
    try:
        names = inspect.signature(value).parameters
    except (TypeError, ValueError):
        return []
    return [name for name in names if SIGNING_KEY.search(name) and not OF_A_SERVICE.search(name)]


def arguments(inspect, value):
    """Values for the parameters that have no default; none where they cannot be told."""
    positional, named = [], {}
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return positional, named
    for parameter in parameters:
        if parameter.default is not parameter.empty:
            continue
        try:
            given = PLAIN.get(parameter.annotation)
        except TypeError:
            given = None
        given = Inert() if given is None else given
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            positional.append(given)
        elif parameter.kind == parameter.KEYWORD_ONLY:
            named[parameter.name] = given
    return positional, named


class Caller:
    """Calls what modules define, each call with its own deadline, within a time for all of them."""

    # A call that really does something gets the long deadline until that has been used up by calls that block.
    LONG, SHORT = 1.0, 0.25

    def __init__(self, seconds):
        import inspect

        self.inspect = inspect
        self.left = seconds
        self.patience = 1.0
        self.seen = set()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        # What functions print when they are called is of no use, and may be endless.
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        os.close(nowhere)

    def module(self, module):
        targets = list(self.targets(module))
        for done, value in enumerate(targets):
            if self.left <= 0:
                raise RuntimeError(
                    "called %d of %d functions before the time for calls was used up" % (done, len(targets))
                )
            self.target(value)

    def targets(self, module):
        top = module.__name__.partition(".")[0]
        # What a module makes only when it is asked for, it names at most there.
        offered = [name for name in getattr(module, "__all__", ()) if isinstance(name, str)]
        for name in dict.fromkeys(dir(module) + offered[:1000]):
            if name.startswith("_") or name in NEVER_CALL:
                continue
            try:
                value = getattr(module, name)
                home = value.__module__
                usable = callable(value) and isinstance(home, str) and home.partition(".")[0] == top
            except BaseException:
                continue
            if usable and id(value) not in self.seen:
                self.seen.add(id(value))
                yield value

    def target(self, value):
        result = self.attempt(value)
        if not isinstance(value, type) or result is None or isinstance(result, BaseException):
            return
        for name in list(vars(value))[:MOST_METHODS]:
            if name.startswith("_") or name in NEVER_CALL or self.left <= 0:
                continue
            self.attempt(lambda: getattr(result, name), then_call=True)

    def attempt(self, value, then_call=False):
        limit = self.LONG if self.patience > 0 else self.SHORT
        began = _now()
        result = None
        try:
            with guard(limit):
                if then_call:
                    value = value()
                    if not callable(value):
                        return None
                result = self.await_it(self.call(value))
        except Late:
            self.patience -= limit
        except BaseException:
            pass
        finally:
            self.left -= _now() - began
            if _getpid() != _main_pid:
                _exit(0)
            stay_alive()
        return result

    def call(self, value):
        if self.inspect.isbuiltin(value):
            # Native code that is given odd objects may take the whole process with it.
            return value()
        positional, named = arguments(self.inspect, value)
        for name in key_parameters(self.inspect, value):
            try:
                bound = self.inspect.signature(value).bind(*positional, **named)
                bound.arguments[name] = OWN_KEY
                value(*bound.args, **bound.kwargs)
            except Exception:
                pass
        return value(*positional, **named)

    def await_it(self, result):
        if self.inspect.iscoroutine(result):
            import asyncio

            return asyncio.run(result)
        if self.inspect.isgenerator(result):
            for _, _item in zip(range(3), result):
                pass
        return result


# --- running programs --------------------------------------------------------------------------------


class Runner:
    """Starts programs, some ahead of the one that is asked for, because they mostly wait."""

    AHEAD = 3

    def __init__(self, names, seconds):
        import subprocess

        self.subprocess = subprocess
        self.names = list(names)
        self.seconds = seconds
        self.under_way = []
        unpacked = os.pathsep.join(unpacked_sources())
        self.environment = dict(os.environ, PYTHONPATH=unpacked) if unpacked else None

    def start(self, name):
        how, *rest = name.split(" ")
        if how == "module":
            command = [sys.executable, "-m"] + rest
        else:
            command = [os.path.join(os.path.expanduser("~"), ".local", "bin", rest[0])] + rest[1:]
        try:
            child = self.subprocess.Popen(
                command, stdin=self.subprocess.DEVNULL, start_new_session=True, env=self.environment
            )
        except OSError as error:
            return error, 0
        return child, _now() + self.seconds

    def next(self, _name):
        while self.names and len(self.under_way) < self.AHEAD:
            self.under_way.append(self.start(self.names.pop(0)))
        child, until = self.under_way.pop(0)
        if isinstance(child, OSError):
            raise child
        try:
            child.wait(max(until - _now(), 0))
        except self.subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise RuntimeError("was still running after %d ms" % (self.seconds * 1000)) from None


# --- the list ----------------------------------------------------------------------------------------


def ways(mode, names, seconds):
    if mode == "run":
        return Runner(names, seconds).next
    if mode == "call":
        caller = Caller(seconds)
        return lambda name: caller.module(_import(name))
    return _import


def handle(way, index, name, token):
    report("start %d" % index)
    try:
        way(name)
        line = "done %d%s" % (index, token)
    except BaseException as error:
        line = "fail %d%s %s" % (index, token, describe(error))
    if _getpid() != _main_pid:
        # A child that came back out of the package's code.
        _exit(0)
    report(line)


def wait_for_threads(seconds):
    until = _now() + seconds
    while _now() < until and any(thread is not _main_thread for thread in _threads()):
        _sleep(0.02)


def hasten_timers():
    """What waits longer than a program is watched is not waited for."""
    start = threading.Timer.__init__

    def __init__(self, interval, *rest, **named):
        start(self, min(interval, 0.5), *rest, **named)

    threading.Timer.__init__ = __init__


def main():
    mode, listing, milliseconds = sys.argv[1:]
    with open(listing, encoding="utf-8") as file:
        entries = json.load(file)["entries"]
    # Its tokens show that a line is not the package's.
    os.unlink(listing)
    sys.argv[:] = [""]
    sys.path[0] = ""
    # Last, where they hide no module of the interpreter from itself.
    sys.path.extend(unpacked_sources())
    if mode != "run":
        hasten_timers()
    way = ways(mode, [entry["name"] for entry in entries], int(milliseconds) / 1000)
    for entry in entries:
        if mode != "run":
            stay_alive()
        token = entry.pop("token", "")
        handle(way, entry["index"], entry["name"], token and " " + token)
    try:
        grace = GRACE.get(mode, 0)
        wait_for_threads(grace)
        with guard(grace or 1):
            _run_exit_functions()
    except BaseException:
        pass
    report("end")
    _exit(0)


main()
