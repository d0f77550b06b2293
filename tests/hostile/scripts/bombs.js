//= nested-quantifiers: out_of_gas
export function f() { return { result: /(a+)+$/.test("a".repeat(40) + "b") }; }
//= overlapping-alternatives: out_of_gas
export function f() { return { result: /^(a|a)*$/.test("a".repeat(40) + "b") }; }
//= backreference: out_of_gas
export function f() { return { result: /^(a*)*\1$/.test("a".repeat(40) + "b") }; }
//= lookahead: out_of_gas
export function f() { return { result: /(?=(a+)+b)c/.test("a".repeat(40)) }; }
//= bounded-repeat-of-bounded-repeat: ok
export function f() { return { result: new RegExp("((((a{1,1000}){1,1000}){1,1000}){1,1000})").test("b") }; }
//= sticky-everywhere: out_of_gas
export function f() { const s = "a".repeat(50000); for (;;) s.replaceAll(/a*?$/g, ""); }
//= character-classes: out_of_gas
export function f() { return { result: /([\p{L}\p{N}]+\s?)+$/u.test("ab ".repeat(40) + "!") }; }
//= case-blind: out_of_gas
export function f() { return { result: /(\u0130+)+$/iu.test("\u0130".repeat(40) + "b") }; }
//= big-integer-power: error
export function f() { return { result: String(2n ** (2n ** 40n)).length }; }
//= big-integer-power-in-range: out_of_gas
export function f() { let x = 3n ** 100000n; for (;;) x = (x * x) % (2n ** 900000n); }
//= big-integer-shift: error
export function f() { return { result: String(1n << (2n ** 33n)).length }; }
//= big-integer-printing: out_of_gas
export function f() { const x = 7n ** 300000n; for (;;) x.toString(); }
//= big-integer-parsing: out_of_gas
export function f() { const s = "9".repeat(200000); for (;;) BigInt(s); }
//= big-integer-division: out_of_gas
export function f() { const x = 7n ** 100000n, y = 7n ** 50000n; for (;;) x / y; }
//= number-formatting: out_of_gas
export function f() { let x = 0.1; for (;;) { (x *= 1.0000001).toString(36); x.toFixed(100); } }
//= float-parsing: out_of_gas
export function f() { const s = "0." + "1234567890".repeat(1000) + "e-300"; for (;;) parseFloat(s); }
//= date-parsing: out_of_gas
export function f() { for (;;) Date.parse("Tue Mar 01 2022 00:00:00 GMT+0100 (" + "x".repeat(1000) + ")"); }
//= locale-compare: out_of_gas
export function f() { const a = "\u00e9".repeat(10000); for (;;) a.localeCompare(a + "x"); }
//= source-map-of-lines: out_of_gas
export function f() { for (;;) try { eval("\n".repeat(10000) + "throw new Error()"); } catch { } }
//= many-locals: ok
export function f() { let s = ""; for (let i = 0; i < 5000; i++) s += "var v" + i + "=" + i + ";"; return { result: eval(s + "v4999") }; }
//= too-many-arguments: error
export function f() { return { result: eval("(function(){return arguments.length})(" + "1,".repeat(70000) + "1)") }; }
