//= plain-recursion: error
export function f() { const g = () => g() + 1; return { result: g() }; }
//= caught-recursion: ok
export function f() { let d = 0; const g = () => { d++; g(); }; try { g(); } catch { } return { result: d > 100 }; }
//= mutual-recursion: error
export function f() { const a = () => b() + 1, b = () => a() + 1; return { result: a() }; }
//= recursion-by-getter: error
export function f() { const o = { get x() { return o.x; } }; return { result: o.x }; }
//= recursion-by-to-string: error
export function f() { const o = { toString() { return "" + o; } }; return { result: "" + o }; }
//= recursion-by-value-of: error
export function f() { const o = { valueOf() { return +o; } }; return { result: +o }; }
//= recursion-by-proxy: error
export function f() { const p = new Proxy({}, { get: (t, k) => p[k] }); return { result: p.x }; }
//= recursion-by-apply: error
export function f() { function g() { return g.apply(this, arguments); } return { result: g(1, 2) }; }
//= binding-a-bound-function-many-times: error
export function f() { let g = () => 1; for (let i = 0; i < 20000; i++) g = g.bind(null); return { result: g() }; }
//= recursion-by-constructor: error
export function f() { class A { constructor() { this.a = new A(); } } return { result: new A() }; }
//= recursion-by-replace: error
export function f() { const g = () => "x".replace(/x/, g); return { result: g() }; }
//= recursion-by-sort: error
export function f() { const g = () => [2, 1].sort(g); return { result: g() }; }
//= recursion-by-map: error
export function f() { const g = () => [1].map(g); return { result: g() }; }
//= recursion-by-json-reviver: error
export function f() { const g = () => JSON.parse("[1]", g); return { result: g() }; }
//= recursion-by-to-json: error
export function f() { const o = { toJSON() { return JSON.stringify(o); } }; return { result: JSON.stringify(o) }; }
//= recursion-by-eval: error
export function f() { globalThis.g = () => eval("g()"); return { result: g() }; }
//= recursion-by-async: error
export function f() { async function g() { await g(); } return g(); }
//= recursion-by-instanceof: error
export function f() { class A { static [Symbol.hasInstance](x) { return x instanceof A; } } return { result: 1 instanceof A }; }
//= recursion-by-iterator: error
export function f() { const o = { [Symbol.iterator]() { return o[Symbol.iterator](); } }; return { result: [...o] }; }
//= brackets-in-eval: too_deep
export function f() { return { result: eval("[".repeat(100000)) }; }
//= parentheses-in-eval: too_deep
export function f() { return { result: eval("(".repeat(100000)) }; }
//= blocks-in-eval: error
export function f() { return { result: eval("{".repeat(100000)) }; }
//= unary-in-eval: too_deep
export function f() { return { result: eval("-+".repeat(100000) + "1") }; }
//= arrows-in-eval: error
export function f() { return { result: eval("a=>".repeat(20000) + "1") }; }
//= templates-in-eval: too_deep
export function f() { return { result: eval("`${".repeat(20000)) }; }
//= ternaries-in-eval: error
export function f() { return { result: eval("1?".repeat(50000)) }; }
//= json-arrays: too_deep
export function f() { return { result: JSON.parse("[".repeat(100000)) }; }
//= json-objects: too_deep
export function f() { return { result: JSON.parse('{"a":'.repeat(50000)) }; }
//= stringify-deep-is-quadratic: out_of_gas
export function f() { let o = {}; for (let i = 0; i < 50000; i++) o = { o }; return { result: JSON.stringify(o).length }; }
//= flat-forever: error
export function f() { let a = []; for (let i = 0; i < 50000; i++) a = [a]; return { result: a.flat(Infinity).length }; }
//= regexp-groups: error
export function f() { return { result: new RegExp("(".repeat(50000) + ")".repeat(50000)).test("") }; }
//= prototype-chain: ok
export function f() { let o = {}; for (let i = 0; i < 50000; i++) o = Object.create(o); return { result: o.x === undefined }; }
