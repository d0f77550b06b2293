//= typed-fill-burn: out_of_gas
export function f() { const a = new Uint8Array(16 << 20); for (;;) a.fill(1); }
//= copy-within-burn: out_of_gas
export function f() { const a = new Uint8Array(16 << 20); for (;;) a.copyWithin(1, 0); }
//= set-burn: out_of_gas
export function f() { const a = new Uint8Array(8 << 20), b = new Uint8Array(8 << 20); for (;;) a.set(b); }
//= slice-burn: out_of_gas
export function f() { const a = new Uint8Array(8 << 20); for (;;) a.slice(); }
//= array-buffer-slice-burn: out_of_gas
export function f() { const a = new ArrayBuffer(8 << 20); for (;;) a.slice(0); }
//= string-compare-burn: out_of_gas
export function f() { const a = "a".repeat(1 << 20), b = "a".repeat(1 << 20); for (;;) if (a !== b) break; }
//= index-of-burn: out_of_gas
export function f() { const a = "a".repeat(1 << 20); for (;;) a.indexOf("ab"); }
//= last-index-of-burn: out_of_gas
export function f() { const a = "a".repeat(1 << 20); for (;;) a.lastIndexOf("ba"); }
//= reverse-burn: out_of_gas
export function f() { const a = new Float64Array(1 << 20); for (;;) a.reverse(); }
//= sort-burn: out_of_gas
export function f() { const a = Array.from({ length: 1e5 }, (_, i) => (i * 7919) % 100003); for (;;) a.toSorted(); }
//= concat-burn: out_of_gas
export function f() { const a = new Array(1e5).fill(1); for (;;) a.concat(a); }
//= json-burn: out_of_gas
export function f() { const a = new Array(1e4).fill({ k: "v" }); for (;;) JSON.parse(JSON.stringify(a)); }
//= normalize-burn: out_of_gas
export function f() { const s = "\u1e9b\u0323".repeat(1e4); for (;;) s.normalize("NFKD"); }
//= case-burn: out_of_gas
export function f() { const s = "\u0130\u00df".repeat(1e4); for (;;) s.toUpperCase().toLowerCase(); }
//= uri-burn: out_of_gas
export function f() { const s = "\u20ac".repeat(1e4); for (;;) decodeURIComponent(encodeURIComponent(s)); }
//= base64-burn: out_of_gas
export function f() { const a = new Uint8Array(1 << 20); for (;;) base64.decode(base64.encode(a)); }
//= hash-collisions-in-a-map: out_of_gas
export function f() { const m = new Map(); for (let i = 0; i < 1e7; i++) m.set(i * 2 ** 32, i); }
//= hash-collisions-of-keys: out_of_gas
export function f() {
  const o = {}; const p = ["Aa", "BB"];
  for (let i = 0; i < 1 << 20; i++) { let k = ""; for (let b = 0; b < 20; b++) k += p[(i >> b) & 1]; o[k] = i; }
}
//= keccak-spam: out_of_gas
export function f() { for (;;) keccak256("0x00"); }
//= keccak-of-more-than-fits: error
export function f() { const a = new Uint8Array(8 << 20); return { result: keccak256(a) }; }
//= ecrecover-spam: out_of_gas
export function f() { const h = "0x" + "11".repeat(32), s = "0x" + "22".repeat(64) + "1b"; for (;;) ecrecover(h, s); }
