// A script of the ordinary kind. The build watches where memory changes while this one is loaded
// and run, and lays out the engine's memory so that those places are near each other (layout.py).
const KEPT = 5;
const labels = { open: "is open", late: "is late" };

class Entry {
  constructor(kind, at) {
    this.kind = kind;
    this.at = at;
  }
  toString() {
    return `${this.kind}@${this.at}`;
  }
}

function merged(list, entry) {
  return [...list.slice(-KEPT), String(entry)].filter((each) => each !== "").map((each) => each.trim());
}

export function onAttestation(state, event, context) {
  const { data, kind } = event;
  const minutes = Number(data.minutes);
  if (!(minutes >= 0)) throw new TypeError("no minutes");
  const next = { ...state, status: data.status, minutes, seen: merged(state.seen, new Entry(kind, context.now)) };
  if (minutes > 60 && state.pass === null) {
    next.pass = "PASS-" + state.name + "-" + context.token.tokenId;
    next.until = new Date(Number(data.until) * 1000).toISOString().slice(0, 10);
  }
  next.label = labels[data.status] ?? "unknown";
  console.log("attested", data.status);
  const total = Object.entries(state.parts).reduce((sum, [, part]) => sum + part.count, 0);
  const body = { total, until: next.until, name: encodeURIComponent(state.name) };
  return { state: next, effects: [{ kind: "http", action: "tell", url: "https://a.example/" + body.name, method: "PUT", body }] };
}

export async function onTimer(state, event) {
  await null;
  return { state: { ...state, due: event.due, chance: Math.floor(Math.random() * 6) } };
}

export function status(state, event, context) {
  const { name, status, minutes, pass } = state;
  return { result: { name, status, minutes, pass, of: context.token.tokenId, parts: Object.keys(state.parts).length } };
}
