"""Compile the contracts and write the artifacts that nodes, demo and scripts use.

The committed files in ``settlement/abi`` are the only source of bytecode: ape's, forge's and our
own metadata differ, so this script compiles through standard JSON without a metadata hash, and
``--check`` fails where a committed file differs from a fresh compile. The same compile writes where
each contract keeps its state, so that a moved slot is seen in review. Needs node and ``npm ci``.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
ARTIFACTS = ROOT / "settlement" / "abi"
LAYOUTS = ROOT / "tests" / "contracts" / "snapshots" / "storage.txt"
COMPILER = ROOT / "tools" / "solc"
LARGEST_CONTRACT = 24_576
"""Bytes of deployed code that a chain accepts (EIP-170)."""

SETTINGS: dict[str, Any] = {
    "evmVersion": "prague",
    "optimizer": {"enabled": True, "runs": 200},
    "metadata": {"bytecodeHash": "none", "appendCBOR": False},
    "outputSelection": {
        "*": {
            "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "storageLayout"],
            "": ["ast"],
        }
    },
}
IGNORED_WARNINGS = {"6335"}
"""6335: the compiler warns of names that OpenZeppelin uses and that will be keywords one day."""


class CompileFailed(SystemExit):
    """The compiler or a size limit refused; the message is for the person who ran us."""


def main() -> int:
    """Write the artifacts, or compare them with ``--check``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    contracts = compile_all()
    fresh = {name: render(artifact_of(name, contract)) for name, contract in contracts.items()}
    layouts = "\n".join(
        layout_of(name, contract["storageLayout"]) for name, contract in sorted(contracts.items())
    )
    stale = compare(fresh)
    if not LAYOUTS.exists() or LAYOUTS.read_text() != layouts:
        where = LAYOUTS.relative_to(ROOT)
        stale.append(f"{where}: state is kept elsewhere now; ./dev compile writes it anew")
    if check:
        for line in stale:
            print(line, file=sys.stderr)
        print(f"{len(fresh)} artifacts compared, {len(stale)} differ")
        return 1 if stale else 0
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    for name, text in fresh.items():
        (ARTIFACTS / f"{name}.json").write_text(text)
    for path in ARTIFACTS.glob("*.json"):
        if path.stem not in fresh:
            path.unlink()
    LAYOUTS.parent.mkdir(parents=True, exist_ok=True)
    LAYOUTS.write_text(layouts)
    print(f"{len(fresh)} artifacts written, {len(stale)} of them changed")
    return 0


def compile_all() -> dict[str, dict[str, Any]]:
    """What the compiler says of every contract under ``contracts/`` that can be deployed."""
    files = CONTRACTS.rglob("*.sol")
    sources = sorted(f for f in files if ".cache" not in f.relative_to(CONTRACTS).parts)
    request = {
        "language": "Solidity",
        "sources": {str(path.relative_to(ROOT)): {"content": path.read_text()} for path in sources},
        "settings": SETTINGS,
    }
    answer = run_compiler(request)
    report(answer.get("errors", []))
    found: dict[str, dict[str, Any]] = {}
    for path in sources:
        name_in_request = str(path.relative_to(ROOT))
        for name, contract in answer["contracts"].get(name_in_request, {}).items():
            code = contract["evm"]["bytecode"]["object"]
            if code and not is_library(answer["sources"][name_in_request]["ast"], name):
                found[name] = contract
    return found


def run_compiler(request: dict[str, Any]) -> dict[str, Any]:
    """Standard JSON in, standard JSON out."""
    folders = ["--base-path", str(ROOT), "--include-path", str(ROOT / "node_modules")]
    completed = subprocess.run(
        [str(COMPILER), "--standard-json", *folders],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if completed.returncode != 0:
        raise CompileFailed(f"{COMPILER.name} failed (is `npm ci` done?): {completed.stderr}")
    answer: dict[str, Any] = json.loads(completed.stdout)
    return answer


def report(problems: list[dict[str, Any]]) -> None:
    """Show what the compiler says; stop at its first error or at a warning of our own code."""
    serious = [p for p in problems if p.get("errorCode") not in IGNORED_WARNINGS]
    for problem in serious:
        print(problem["formattedMessage"], file=sys.stderr)
    if any(problem["severity"] != "info" for problem in serious):
        raise CompileFailed("the contracts do not compile cleanly")


def is_library(ast: dict[str, Any], name: str) -> bool:
    """Whether ``name`` is a library, which is inlined and never deployed."""
    return any(
        node.get("name") == name and node.get("contractKind") == "library" for node in ast["nodes"]
    )


def artifact_of(name: str, contract: dict[str, Any]) -> dict[str, Any]:
    """The committed form of one contract; refuses what no chain would accept."""
    deployed = contract["evm"]["deployedBytecode"]["object"]
    size = len(deployed) // 2
    if size > LARGEST_CONTRACT:
        raise CompileFailed(f"{name} has {size} bytes, more than {LARGEST_CONTRACT}")
    return {
        "contractName": name,
        "abi": contract["abi"],
        "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + deployed,
    }


def layout_of(name: str, layout: dict[str, Any]) -> str:
    """Where a contract keeps its state: a line for each variable, then for each struct's members.

    The compiler's own names of types hold numbers that change with any edit; these do not.
    """
    types = layout["types"] or {}
    lines = [f"{name}", *(f"  {_place(item, types)}" for item in layout["storage"])]
    structs = {kind["label"]: kind["members"] for kind in types.values() if "members" in kind}
    for label, members in sorted(structs.items()):
        lines += [f"  {label}", *(f"    {_place(item, types)}" for item in members)]
    return "\n".join(lines) + "\n"


def _place(item: dict[str, Any], types: dict[str, Any]) -> str:
    kind = types[item["type"]]
    return (
        f"{item['slot']:>3} +{item['offset']:<2} {int(kind['numberOfBytes']):>3} "
        f"{item['label']}: {kind['label']}"
    )


def render(artifact: dict[str, Any]) -> str:
    """One stable text per artifact, so that a difference in git means a difference in code."""
    return json.dumps(artifact, indent=1, ensure_ascii=True) + "\n"


def compare(fresh: dict[str, str]) -> list[str]:
    """One line for each committed artifact that differs from the fresh one."""
    committed = {path.stem: path.read_text() for path in ARTIFACTS.glob("*.json")}
    lines = [f"{name}: stale" for name in sorted(fresh) if committed.get(name) != fresh[name]]
    lines += [f"{name}: no such contract" for name in sorted(committed.keys() - fresh.keys())]
    return lines


if __name__ == "__main__":
    sys.exit(main())
