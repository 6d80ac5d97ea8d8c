'use strict';
// usage: node index.cjs load|call|run LIST PACKAGE-FOLDER MILLISECONDS
//
// Goes through LIST ({"entries": [{"index": 0, "name": "require x"}, ...]}) in order and tells on
// descriptor 3, a line each: `start INDEX`, `done INDEX TOKEN`, `fail INDEX TOKEN TEXT`, and `end`; TOKEN is the
// entry's, if it has one: package code that writes there does not know it.
//   load  imports each module;  MILLISECONDS bounds an import that waits for something
//   call  imports it and calls what it exports with inert arguments;  MILLISECONDS bounds all calls together
//   run   starts a program of node_modules/.bin;  MILLISECONDS bounds each
// Names: `require SPEC`, `import SPEC`, `file PATH` (below the package's folder), `run PROGRAM ARGUMENT...`.

// Loaded code may change any global or built-in module, so whatever is used later is taken now.
const fs = require('fs');
const { join } = require('path');
const { pathToFileURL } = require('url');
const { writeSync } = fs;
const { setTimeout, setInterval, setImmediate, clearTimeout, Promise, Proxy, Reflect, Set, WeakSet, Buffer, String } = globalThis;
const { ownKeys, getOwnPropertyDescriptor, getPrototypeOf, apply, construct } = Reflect;
const bufferFrom = Buffer.from;
const { isArray } = Array;
const nanoseconds = process.hrtime.bigint;
const reallyExit = process.reallyExit.bind(process);
const kill = process.kill.bind(process);
const on = process.on.bind(process);
const emit = process.emit.bind(process);
const listeners = process.listeners.bind(process);
const activeResources = process.getActiveResourcesInfo.bind(process);
const sourceOf = Function.prototype.toString;
const now = () => Number(nanoseconds() / 1000n) / 1000;

const [mode, listFile, packageFolder, milliseconds] = process.argv.slice(2);
const limit = Number(milliseconds);
const { entries, probes } = JSON.parse(fs.readFileSync(listFile, 'utf8'));
process.argv.length = 2;
process.execArgv.length = 0;
fs.unlinkSync(listFile);

// What is still going on after the last entry gets this long: loading starts it on purpose, calls with inert
// arguments often leave something that never ends.
const GRACE = mode === 'load' ? 3000 : 1000;

function report(line) {
  let bytes = bufferFrom(line + '\n');
  for (let attempt = 0; attempt < 1000 && bytes.length > 0; attempt++) {
    try {
      bytes = bytes.subarray(writeSync(3, bytes));
    } catch (error) {
      if (error.code !== 'EAGAIN') return;
    }
  }
}

// One line, whatever was thrown; looking at it may run code and throw again.
function describe(error) {
  try {
    const text = error === LEFT ? 'asked to exit' : error && error.message ? `${error.name}: ${error.message}` : String(error);
    return String(text).replace(/[\0-\x1f\x7f]+/g, ' ').slice(0, 300);
  } catch {
    return 'threw something that cannot be shown';
  }
}

// --- staying alive -------------------------------------------------------------------------------

const LEFT = { toString: () => 'exit' };

function leave() {
  throw LEFT;
}

function swallow() {}

function isListening(event) {
  const present = listeners(event);
  for (let at = 0; at < present.length; at++) {
    if (present[at] === swallow) return true;
  }
  return false;
}

// Again after all loaded code, which may have undone it.
function stayAlive() {
  process.exit = leave;
  process.reallyExit = leave;
  if (!isListening('uncaughtException')) on('uncaughtException', swallow);
  if (!isListening('unhandledRejection')) on('unhandledRejection', swallow);
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function within(ms, promise, text) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(text)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// --- time ----------------------------------------------------------------------------------------

// What waits longer than a program is watched is not waited for: when all else is done it is fired early, once.
const LONG = 1000;
const MOST_TIMERS = 500;
const waiting = [];

function remember(make) {
  const remembering = function (callback, ms, ...rest) {
    const timer = apply(make, this, [callback, ms, ...rest]);
    if (ms >= LONG && typeof callback === 'function' && waiting.length < MOST_TIMERS) waiting.push({ timer, callback, rest });
    return timer;
  };
  // Among them what `promisify` looks for.
  return Object.defineProperties(remembering, Object.getOwnPropertyDescriptors(make));
}

function hastenTimers() {
  const timers = require('timers');
  globalThis.setTimeout = timers.setTimeout = remember(setTimeout);
  globalThis.setInterval = timers.setInterval = remember(setInterval);
  const promises = require('timers/promises');
  const wait = promises.setTimeout;
  promises.setTimeout = (ms, ...rest) => wait(ms >= LONG ? LONG / 2 : ms, ...rest);
  require('module').syncBuiltinESMExports();
}

// Whether there was anything to fire.
function fireEarly() {
  const due = waiting.splice(0);
  for (const { timer, callback, rest } of due) {
    // Cleared, or fired and not repeated.
    if (timer._destroyed) continue;
    clearTimeout(timer);
    attempt(() => callback(...rest));
  }
  return due.length > 0;
}

// --- loading -------------------------------------------------------------------------------------

const NOT_FOR_REQUIRE = new Set(['ERR_REQUIRE_ESM', 'ERR_REQUIRE_ASYNC_MODULE', 'ERR_PACKAGE_PATH_NOT_EXPORTED']);

function wantsImport(error) {
  if (!error || typeof error !== 'object') return false;
  if (NOT_FOR_REQUIRE.has(error.code)) return true;
  // What an earlier import that failed half-way has left behind.
  if (/Cannot require\(\) ES Module|is not in cache|Unexpected module status/.test(error.message)) return true;
  return error.name === 'SyntaxError' && /import statement|import\.meta|Unexpected token 'export'|await is only valid/.test(error.message);
}

async function load(name) {
  const space = name.indexOf(' ');
  const how = name.slice(0, space);
  const what = name.slice(space + 1);
  const target = how === 'file' ? join(packageFolder, what) : what;
  if (how !== 'import') {
    try {
      return require(target);
    } catch (error) {
      if (!wantsImport(error)) throw error;
    } finally {
      stayAlive();
    }
  }
  const url = how === 'file' ? pathToFileURL(target).href : target;
  return within(mode === 'load' ? limit : 2000, import(url), 'the import did not finish');
}

// --- calling -------------------------------------------------------------------------------------

const NEVER_CALL = new Set(['exit', 'quit', 'abort', 'kill', 'die', 'reallyExit', 'constructor', 'then']);
const MOST_CALLABLES = 2000;

// Answers everything, leads nowhere: properties are inert up to a depth, so that following them ends.
function inert(depth) {
  return new Proxy(function () {}, {
    get(_, key) {
      if (key === 'then') return undefined;
      if (key === Symbol.toPrimitive) return (hint) => (hint === 'number' ? 0 : '');
      if (key === Symbol.iterator) return function* () {};
      if (key === 'length') return 0;
      if (key === 'toString' || key === 'toJSON') return () => '';
      return depth > 0 ? inert(depth - 1) : undefined;
    },
    set: () => true,
    has: () => false,
    deleteProperty: () => true,
    apply: () => (depth > 0 ? inert(depth - 1) : undefined),
    construct: () => (depth > 0 ? inert(depth - 1) : {}),
  });
}

function isOwnCode(value) {
  const source = apply(sourceOf, value, []);
  return !source.includes('[native code]') || String(value.name).startsWith('bound ');
}

function read(holder, key) {
  try {
    return holder[key];
  } catch {
    return undefined;
  }
}

// What the interpreter itself offers is not package code, though some packages export all of it; some of its inner
// functions end the process when they are called with odd arguments.
const PLATFORM = [globalThis, ...ownKeys(globalThis).map((key) => read(globalThis, key))].filter(
  (value) => value !== null && (typeof value === 'object' || typeof value === 'function'),
);

function collect(exported) {
  const found = [];
  const seen = new WeakSet(PLATFORM);
  const visit = (holder, depth) => {
    for (const key of ownKeys(holder)) {
      if (found.length >= MOST_CALLABLES) return;
      if (typeof key !== 'string' || key === 'prototype' || NEVER_CALL.has(key)) continue;
      consider(read(holder, key), holder, depth);
    }
  };
  const consider = (value, self, depth) => {
    const type = typeof value;
    if ((type !== 'function' && type !== 'object') || value === null || seen.has(value)) return;
    seen.add(value);
    try {
      if (type === 'function' && isOwnCode(value)) found.push({ value, self });
      if (depth > 0) visit(value, depth - 1);
    } catch {
      // A revoked proxy, or one whose traps throw: nothing to call.
    }
  };
  consider(exported, undefined, 2);
  return found;
}

let pending = 0;

function attempt(call) {
  let result;
  try {
    result = call();
  } catch {
    return undefined;
  }
  try {
    if (result instanceof Promise) {
      pending++;
      const settled = () => {
        pending--;
      };
      result.then(settled, settled);
    }
  } catch {
    // Its prototype was changed; nothing to wait for.
  }
  return result;
}

function callMethods(instance) {
  const prototype = getPrototypeOf(instance);
  if (!prototype || prototype === Object.prototype) return;
  for (const key of ownKeys(prototype).slice(0, 50)) {
    if (typeof key !== 'string' || NEVER_CALL.has(key)) continue;
    const { value } = getOwnPropertyDescriptor(prototype, key) || {};
    if (typeof value !== 'function') continue;
    attempt(() => apply(value, instance, [inert(3), inert(3)].slice(0, value.length)));
  }
}

// Nobody who is given a signing key has reason to pass it on. Keys of services are another matter: their clients send
// them, mostly by way of an object that is made with one.
const SIGNING_KEY = /(secret|private)_?key|mnemonic|seed_?phrase|key_?pair/i;
const OF_A_SERVICE = /client|api|access|app|consumer|shared|webhook|auth|public/i;
const OWN_KEY = process.env.AWS_SECRET_ACCESS_KEY;

// Arguments with a key where the parameter's name asks for one; undefined where none does.
function keyed(value) {
  const source = apply(sourceOf, value, []).slice(0, 2000);
  const list = /^[^(=]*\(([^)]*)\)/.exec(source) || /^(?:async\s+)?([\w$]+)\s*=>/.exec(source);
  if (!OWN_KEY || !list) return undefined;
  const names = list[1].split(',').slice(0, 10);
  const wanted = names.map((name) => SIGNING_KEY.test(name) && !OF_A_SERVICE.test(name));
  if (!wanted.includes(true)) return undefined;
  return wanted.map((wants) => (wants ? OWN_KEY : inert(3)));
}

function invoke({ value, self }) {
  const some = [inert(3), inert(3), inert(3), inert(3)].slice(0, Math.max(value.length, 2));
  const isClass = /^class\b/.test(apply(sourceOf, value, []));
  if (isClass) {
    const instance = attempt(() => construct(value, [])) || attempt(() => construct(value, some));
    if (instance) attempt(() => callMethods(instance));
    return;
  }
  attempt(() => apply(value, self, []));
  attempt(() => apply(value, self, some));
  const withKey = keyed(value);
  if (withKey) attempt(() => apply(value, self, withKey));
}

// A synchronous call that does not come back is ended by the interpreter's own watchdog. One watchdog
// serves a batch, because each costs a thread.
const BATCH = 100;
const HANGING = 250;
const WAITING = 1000;
let waitingLeft = 2000;
let callingLeft = limit;

// Promises that lead to promises for ever starve the event loop, and with it every timer. What a call leaves to
// be settled is therefore settled under the watchdog, which works only outside of a settling promise.
const drain = typeof process._tickCallback === 'function' ? process._tickCallback.bind(process) : () => {};

function fromTheLoop(step) {
  return new Promise((resolve) => {
    setImmediate(() => {
      try {
        step();
      } catch {
        // The call that hung is behind us already.
      }
      resolve();
    });
  });
}

async function callAll(exported, guarded) {
  const items = collect(exported);
  let next = 0;
  while (next < items.length && callingLeft > 0) {
    const began = now();
    await fromTheLoop(() => {
      guarded(() => {
        while (next < items.length && now() - began < BATCH) {
          invoke(items[next++]);
          drain();
        }
      }, HANGING);
    });
    stayAlive();
    await turn();
    callingLeft -= now() - began;
  }
  for (let waited = 0; pending > 0 && waited < 250 && waitingLeft > 0; waited += 10) {
    waitingLeft -= 10;
    await pause(10);
  }
  pending = 0;
  if (next < items.length) throw new Error(`called ${next} of ${items.length} functions before the time for calls was used up`);
  if (items.length >= MOST_CALLABLES) throw new Error(`called the first ${MOST_CALLABLES} functions, there may be more`);
}

// The watchdog cannot end a wait for a child process.
function boundWaiting() {
  const children = require('child_process');
  for (const name of ['spawnSync', 'execSync', 'execFileSync']) {
    const original = children[name];
    children[name] = function (...given) {
      const last = given[given.length - 1];
      const options = last && typeof last === 'object' && !isArray(last) ? given.pop() : {};
      const timeout = options.timeout > 0 && options.timeout < WAITING ? options.timeout : WAITING;
      return apply(original, this, [...given, { ...options, timeout, killSignal: 'SIGKILL' }]);
    };
  }
  require('module').syncBuiltinESMExports();
}

function watchdog() {
  const vm = require('vm');
  const context = vm.createContext({ step: undefined });
  const script = new vm.Script('step()');
  return (step, timeout) => {
    context.step = step;
    script.runInContext(context, { timeout });
  };
}

// --- running programs ----------------------------------------------------------------------------

function runProgram(name, spawn) {
  const [, program, ...rest] = name.split(' ');
  return new Promise((resolve, reject) => {
    const child = spawn(join(process.cwd(), 'node_modules', '.bin', program), rest, {
      stdio: ['ignore', 'inherit', 'inherit'],
      detached: true,
    });
    const stop = () => {
      try {
        kill(-child.pid, 'SIGKILL');
      } catch {
        // Ended in between.
      }
    };
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      stop();
    }, limit);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('exit', () => {
      clearTimeout(timer);
      if (late) reject(new Error(`was still running after ${limit} ms`));
      else resolve();
    });
  });
}

// --- the list ------------------------------------------------------------------------------------

function ways() {
  if (mode === 'run') {
    const { spawn } = require('child_process');
    return (name) => runProgram(name, spawn);
  }
  if (mode === 'call') {
    const guarded = watchdog();
    boundWaiting();
    // What functions print when they are called is of no use, and may be endless.
    process.stdout.write = process.stderr.write = () => true;
    return async (name) => callAll(await load(name), guarded);
  }
  return load;
}

// A server that waits for somebody and the standard streams do nothing by themselves.
const IDLE = new Set(['TCPServerWrap', 'PipeServerWrap', 'TTYWrap', 'PipeWrap']);

// Threads are no active resources.
let threads = 0;
on('worker', (worker) => {
  threads++;
  worker.once('exit', () => {
    threads--;
  });
});

function isIdle() {
  if (threads > 0) return false;
  try {
    const active = activeResources().filter((type) => !IDLE.has(type));
    return active.every((type) => type === 'Timeout') && active.length <= waiting.length;
  } catch {
    return false;
  }
}

function end() {
  const until = now() + GRACE;
  let ended = false;
  const leaveForGood = () => {
    if (ended) return;
    ended = true;
    try {
      emit('exit', 0);
    } catch {
      // An exit handler that throws ends like any other.
    }
    report('end');
    // Whatever exit status loaded code has asked for, the list was gone through.
    reallyExit(0);
  };
  // Node says `beforeExit` when nothing is left to wait for.
  const onceIdle = () => {
    const goOn = now() < until && (threads > 0 || fireEarly());
    if (goOn) setTimeout(() => {}, 50);
    else leaveForGood();
  };
  on('beforeExit', onceIdle);
  setInterval(() => {
    if (now() >= until || isIdle()) onceIdle();
  }, 50).unref();
}

async function settle(handle, name) {
  try {
    await handle(name);
    await turn();
    return { failed: false };
  } catch (error) {
    return { failed: true, text: describe(error) };
  } finally {
    if (mode !== 'run') stayAlive();
  }
}

// --- code that is made while the package runs ------------------------------------------------------

const MOST_TEXTS = 200;
const MOST_TEXT = 40000;

// What eval, Function and vm compile, as the engine itself says it: nothing that loaded code could see is replaced.
// Told a line each: `code javascript BASE64`.
function watchCode() {
  let session;
  try {
    const { Session } = require('inspector');
    session = new Session();
    session.connect();
  } catch {
    return; // A Node without its inspector has nothing to tell.
  }
  const post = session.post.bind(session);
  const isFile = /^(?:file|node|data|blob|wasm):|^\//;
  const test = RegExp.prototype.test.bind(isFile);
  const seen = new Set();
  const { has, add } = Set.prototype;
  seen.add('step()'); // our own
  let told = 0;
  session.on('Debugger.scriptParsed', ({ params }) => {
    if (told >= MOST_TEXTS || params.scriptLanguage === 'WebAssembly') return;
    if (params.url && !params.hasSourceURL && test(params.url)) return;
    post('Debugger.getScriptSource', { scriptId: params.scriptId }, (error, result) => {
      if (error || apply(has, seen, [result.scriptSource])) return;
      apply(add, seen, [result.scriptSource]);
      told += 1;
      const text = bufferFrom(result.scriptSource, 'utf8').subarray(0, MOST_TEXT);
      report(`code javascript ${text.toString('base64')}`);
    });
  });
  // Else a `debugger` statement would stop this thread for ever.
  post('Debugger.setSkipAllPauses', { skip: true });
  post('Debugger.enable');
  post('Debugger.setSkipAllPauses', { skip: true });
}

async function main() {
  const handle = ways();
  // Programs mostly wait, so some run at a time; reports stay in order.
  const atATime = mode === 'run' ? 3 : 1;
  const underWay = [];
  if (mode !== 'run') {
    stayAlive();
    hastenTimers();
    if (probes) watchCode();
  }
  for (let at = 0; at < entries.length; at++) {
    const { index, token } = entries[at];
    entries[at].token = undefined;
    report(`start ${index}`);
    for (let next = at + underWay.length; underWay.length < atATime && next < entries.length; next++) {
      underWay.push(settle(handle, entries[next].name));
    }
    const outcome = await underWay.shift();
    const proof = token ? ` ${token}` : '';
    report(outcome.failed ? `fail ${index}${proof} ${outcome.text}` : `done ${index}${proof}`);
  }
  end();
}

main();
