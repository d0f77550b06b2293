//= require: error
export function f() { require("fs"); }
//= process: error
export function f() { process.exit(1); }
//= fetch: error
export function f() { fetch("http://127.0.0.1/"); }
//= xml-http-request: error
export function f() { new XMLHttpRequest(); }
//= web-assembly: error
export function f() { new WebAssembly.Memory({ initial: 1 }); }
//= worker: error
export function f() { new Worker("x.js"); }
//= shared-array-buffer: error
export function f() { new SharedArrayBuffer(1); }
//= static-import: error load
import fs from "fs"; export function f() {}
//= static-import-of-a-file: error load
import x from "/etc/passwd"; export function f() {}
//= dynamic-import: error
export async function f() { await import("std"); }
//= import-meta: ok
export function f() { return { result: Object.keys(import.meta).length }; }
//= quickjs-std-and-os: error
export function f() { return { result: std.open("/etc/passwd", "r") + os.readdir("/") }; }
//= performance: error
export function f() { return { result: performance.now() }; }
//= weak-references: error
export function f() { return { result: new WeakRef({}) }; }
//= finalizers: error
export function f() { return { result: new FinalizationRegistry(() => {}) }; }
//= function-constructor-is-inside: ok
export function f() { return { result: new Function("return typeof process + typeof require")() }; }
//= constructor-escape: ok
export function f() {
  const outer = (function () { }).constructor.constructor("return this")();
  return { result: outer === globalThis && typeof outer.process === "undefined" };
}
//= async-constructor-escape: ok
export async function f() {
  const make = (async () => { }).constructor;
  return { result: await make("return typeof process + typeof fetch")() };
}
//= global-names-are-the-known-ones: ok
export function f() {
  const odd = Object.getOwnPropertyNames(globalThis).filter((n) => /^(std|os|bjson|print|load|scriptArgs|native|step|gc)$/.test(n));
  return { result: odd };
}
