//= promise-that-never-settles: bad_output
export function f() { return new Promise(() => {}); }
//= await-forever: bad_output
export async function f() { await new Promise(() => {}); }
//= top-level-await-forever: error load
await new Promise(() => {});
//= top-level-await-forever-then-run: error
await new Promise(() => {});
export function f() {}
//= atomics-wait: error
export function f() { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); }
//= timers: error
export function f() { setTimeout(() => {}, 1e9); }
//= thenable-is-not-awaited: bad_output
export function f() { return { then() {} }; }
//= async-iterator-without-end: out_of_gas
export async function f() {
  for await (const x of { [Symbol.asyncIterator]() { return { next: async () => ({}) }; } });
}
