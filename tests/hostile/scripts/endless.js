//= for-loop: out_of_gas
export function f() { for (;;); }
//= while-with-work: out_of_gas
export function f() { let x = 0; while (true) x = (x * 31 + 7) | 0; }
//= microtasks: out_of_gas
export async function f() { for (;;) await null; }
//= promise-chain: out_of_gas
export function f() { const again = () => Promise.resolve().then(again); return again(); }
//= queued-microtasks: out_of_gas
export function f() { const again = () => queueMicrotask(again); again(); }
//= thenable-that-resolves-itself: out_of_gas
export function f() {
  const endless = { then(resolve) { resolve(endless); } };
  return Promise.resolve(endless);
}
//= eval-loop: out_of_gas
export function f() { for (;;) eval("1+1"); }
//= function-constructor-loop: out_of_gas
export function f() { for (let i = 0; ; i++) new Function("return " + i)(); }
//= proxy-trap-loop: out_of_gas
export function f() {
  const p = new Proxy({}, { get(t, k, r) { for (;;); } });
  return { result: p.x };
}
//= proxy-chain: error
export function f() {
  let p = {};
  for (let i = 0; i < 20000; i++) p = new Proxy(p, {});
  return { result: p.x === undefined };
}
//= iterator-without-end: out_of_gas
export function f() { return { result: [...{ *[Symbol.iterator]() { for (;;) yield; } }] }; }
//= generator-delegating-to-itself: error
export function f() { function* g() { yield* g(); } for (const x of g()); }
//= getter-in-output-loops: out_of_gas
export function f() { return { result: { get x() { for (;;); } } }; }
//= tojson-loops-in-log: out_of_gas
export function f() { console.log({ toJSON() { for (;;); } }); }
//= try-finally-cannot-catch-the-end: out_of_gas
export function f() { for (;;) { try { for (;;); } catch { } finally { continue; } } }
//= labelled-continue: out_of_gas
export function f() { outer: for (;;) for (;;) continue outer; }
//= busy-wait-for-a-clock-that-stands: out_of_gas
export function f() { const t = Date.now(); while (Date.now() === t); }
//= loop-at-load: out_of_gas load
for (;;);
//= microtasks-at-load: out_of_gas load
for (;;) await null;
//= loop-in-error-description: out_of_gas
export function f() { throw { get name() { for (;;); } }; }
//= loop-in-class-static-block: out_of_gas load
class A { static { for (;;); } }
export function f() { return new A(); }
//= reduce-over-endless-array-like: out_of_gas
export function f() { return Array.prototype.reduce.call({ length: 2 ** 53 - 1 }, (a) => a, 0); }
//= hostile-comparator: out_of_gas
export function f() { [3, 1, 2].sort(() => { for (;;); }); }
//= comparator-that-lies: ok
export function f() {
  const list = Array.from({ length: 500 }, (_, i) => i);
  list.sort(() => 1); list.sort(() => -1); list.sort((a, b) => (a * 7 + b) % 3 - 1);
  return { result: list.length };
}
//= comparator-that-shrinks-its-array: ok
export function f() {
  const list = Array.from({ length: 500 }, (_, i) => i);
  list.sort((a, b) => { list.length = 0; return a - b; });
  return { result: list.length };
}
