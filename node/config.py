"""A node's configuration: one frozen value, read once at start.

Sources, the later wins: defaults, a TOML file, ``SMARTLAYER_…`` environment variables, flags.
Secrets are not in it: it names the keystore file and the file that holds its password.
"""

from enum import StrEnum
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from settlement.chain.quorum import endpoints_of
from settlement.errors import InputError
from settlement.types import Address, parse_address

SERVICE_TOKEN = 10**18
"""Base units of one Service Token."""


def _address(value: Any) -> Any:
    return (
        parse_address(value, "an address in the configuration") if isinstance(value, str) else value
    )


def _endpoints(value: Any) -> Any:
    return endpoints_of(value) if isinstance(value, str) else value


Endpoints = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_endpoints), Field(min_length=1)]
"""One address, several by commas or blanks, or a list of them."""

ConfigAddress = Annotated[Address, BeforeValidator(_address)]


class Role(StrEnum):
    """What a node does; it must be registered on chain for all of it."""

    SERVICE = "service"
    ANCHOR = "anchor"


class NodeConfig(BaseSettings):
    """Everything a node process is told. Times in milliseconds, amounts in base units."""

    model_config = SettingsConfigDict(
        env_prefix="SMARTLAYER_", frozen=True, extra="forbid", validate_default=False
    )

    data_dir: Path = Field(description="Folder of the database, certificate and script cache.")
    database: str = Field(
        default="",
        description="A file, or postgresql://user@host/name; empty: node.sqlite in data_dir.",
    )
    database_password_file: Path | None = Field(
        default=None, description="File whose first line is the database user's password."
    )
    worker: str | None = Field(
        default=None,
        pattern="^[a-z0-9-]{1,32}$",
        description="This process's name where several share the database.",
    )
    deployment: Path = Field(description="JSON file with the contracts' addresses.")
    rpc_url: Endpoints = Field(
        description="JSON-RPC endpoints of the chain; of several a majority must agree on money.",
        repr=False,  # their addresses may hold keys
    )
    keystore: Path = Field(description="Keystore v3 file of the node key.")
    password_file: Path = Field(description="File whose first line is the keystore's password.")

    roles: frozenset[Role] = Field(
        default=frozenset({Role.SERVICE}), description="What this node does: service, anchor."
    )
    api_host: str = Field(default="127.0.0.1", description="Address the public API binds to.")
    api_port: int = Field(default=0, ge=0, le=65535, description="0 takes a free port.")
    link_host: str = Field(default="127.0.0.1", description="Address the links listen on.")
    link_port: int = Field(default=0, ge=0, le=65535, description="0 takes a free port.")

    confirmations: int = Field(default=1, ge=0, le=64, description="Blocks before an event counts.")
    fee_cap_gwei: int = Field(default=500, ge=1, description="The most that a gas may cost.")
    follow_interval_ms: int = Field(default=250, ge=50, description="Pause between chain polls.")

    read_price: int = Field(
        default=SERVICE_TOKEN // 1_000, ge=0, description="Least price of one read."
    )
    update_price: int = Field(
        default=SERVICE_TOKEN // 100, ge=0, description="Least price of an update."
    )
    exposure_limit: int = Field(
        default=SERVICE_TOKEN // 10, ge=0, description="What may be served beyond a lane's lease."
    )
    lease_step: int = Field(
        default=SERVICE_TOKEN // 20,
        gt=0,
        description="How far an anchor leases ahead of a voucher.",
    )
    close_least: int = Field(
        default=SERVICE_TOKEN // 10,
        gt=0,
        description="Least refund for which an anchor pays the gas of a close.",
    )

    watch: bool = Field(
        default=True, description="Watch anchors' periods: challenge, claim and post by itself."
    )
    watch_least: int = Field(
        default=SERVICE_TOKEN // 1_000, gt=0, description="Least amount worth a transaction's row."
    )
    watch_lanes: int = Field(
        default=0, ge=0, le=1_000_000, description="Lanes watched for other nodes; 0 offers none."
    )
    watchtowers: tuple[str, ...] = Field(
        default=(), description="URLs of watchtowers that this node hands its lanes to."
    )
    hand_over_every_ms: int = Field(
        default=60_000, ge=1_000, description="Pause between two hand-overs."
    )

    look_interval_ms: int = Field(
        default=30_000, ge=100, description="How often, on average, an anchor looks at replicas."
    )

    election_window_ms: int = Field(default=10_000, ge=2_000, description="Length of a lease.")
    election_gap_ms: int = Field(default=1_000, ge=0, description="Pause between two windows.")
    replicas: int = Field(
        default=3, ge=1, le=21, description="Replicas where the script is silent."
    )

    private_hosts: frozenset[str] = Field(
        default=frozenset(),
        description="host:port pairs that scripts may call although not public; devnet only.",
    )
    sandbox_workers: int = Field(default=1, ge=1, le=64, description="Sandbox worker processes.")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = settings_cls.model_config.get("toml_file")
        files = (TomlConfigSettingsSource(settings_cls),) if toml else ()
        return (init_settings, env_settings, *files)

    @property
    def store(self) -> str:
        """Where the store is: a SQLite file, or a database of PostgreSQL."""
        return self.database or str(self.data_dir / "node.sqlite")


def load_config(toml: Path | None, **flags: Any) -> NodeConfig:
    """Read the configuration; raises InputError that names the key and the fix."""
    if toml is not None and not toml.is_file():
        raise InputError(where="--config", problem=f"there is no file {toml}")

    class FromFile(NodeConfig):
        model_config = SettingsConfigDict(toml_file=toml)

    given = {name: value for name, value in flags.items() if value is not None}
    try:
        return FromFile(**given)
    except (OSError, UnicodeDecodeError, TOMLDecodeError) as error:
        raise InputError(
            where=f"--config {toml}", problem=f"it is no TOML file: {error}"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise InputError(where=f"configuration key {key}", problem=first["msg"]) from error
