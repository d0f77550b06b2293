"""What another JavaScript engine takes for the same script: run by ``bench.sandbox`` in an
environment of the engine's own, as ``python _rival.py NAME`` with the work as JSON on standard
input. Prints medians in microseconds: a read and an update in a context that is used again, which
isolates nothing, and a read in a context of its own.
"""

import json
import statistics
import sys
import time

GLUE = """
function call(entry, text) {
  const given = JSON.parse(text);
  return JSON.stringify(globalThis[entry](given.state, given.event, given.context));
}
"""
SHORT_S = 1.0


def mini_racer(source):
    """V8, in this process."""
    from py_mini_racer import MiniRacer

    context = MiniRacer()
    context.eval(source)
    return lambda entry, text: context.call("call", entry, text), context.close


def quickjs(source):
    """QuickJS, in this process."""
    import quickjs as native

    context = native.Context()
    context.eval(source)
    return context.get("call"), lambda: None


def median_us(work):
    work()
    taken, end = [], time.perf_counter() + SHORT_S
    while time.perf_counter() < end:
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return round(statistics.median(taken) * 1e6, 1)


def main():
    engine = {"mini-racer": mini_racer, "quickjs": quickjs}[sys.argv[1]]
    given = json.load(sys.stdin)
    source = given["script"].replace("export function", "function") + GLUE
    call, close = engine(source)
    read, update = (call(entry, text) for entry, text in given["calls"])

    def fresh():
        run, end = engine(source)
        run(*given["calls"][0])
        end()

    told = {
        "read_us": median_us(lambda: call(*given["calls"][0])),
        "update_us": median_us(lambda: call(*given["calls"][1])),
        "fresh_read_us": median_us(fresh),
        "read": json.loads(read),
        "update": json.loads(update),
    }
    close()
    print(json.dumps(told))


if __name__ == "__main__":
    main()
