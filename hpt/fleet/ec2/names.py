"""What the parts of a fleet are called, so that they are found without a list of them."""

from __future__ import annotations

from dataclasses import dataclass

FLEET_TAG = "hpt:fleet"
ROLE_TAG = "hpt:role"
EXPIRES_TAG = "hpt:expires"
"""Seconds since the epoch, as an integer."""
BUCKET_TAG = "hpt:bucket"
"""Of the launch templates: the place on S3, so that a fleet is found from any machine."""

HEAD, NODE = "head", "node"
ROLES = (HEAD, NODE)


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a fleet's parts. Roles are global, so they have the region in theirs."""

    fleet: str
    region: str

    def template(self, role: str) -> str:
        return f"hpt-{self.fleet}-{role}"

    @property
    def group(self) -> str:
        return f"hpt-{self.fleet}"

    def role(self, role: str) -> str:
        """Of the role and of its instance profile."""
        return f"hpt-{self.fleet}-{self.region}-{role}"

    @property
    def path(self) -> str:
        """Under which the roles stand."""
        return f"{roles_of(self.region)}{self.fleet}/"

    @property
    def token(self) -> str:
        """The parameter that holds the secret which the machines show each other."""
        return f"/hpt/{self.fleet}/token"


def roles_of(region: str) -> str:
    """Under which the roles of all fleets of a region stand."""
    return f"/hpt/{region}/"


def tags(fleet: str, role: str = "", expires: float | None = None, **more: str) -> list[dict[str, str]]:
    """As calls of AWS take them."""
    found = {FLEET_TAG: fleet, "Name": f"hpt {fleet} {role}".rstrip()}
    if role:
        found[ROLE_TAG] = role
    if expires is not None:
        found[EXPIRES_TAG] = str(int(expires))
    return [{"Key": key, "Value": value} for key, value in (found | more).items()]


def tags_of(described: object) -> dict[str, str]:
    """The tags of something that AWS describes."""
    listed = described.get("Tags", []) if isinstance(described, dict) else []
    return {each["Key"]: each["Value"] for each in listed}
