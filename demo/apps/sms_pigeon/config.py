"""How one account at Pigeon Post is configured."""

from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, Field, HttpUrl, SecretStr

from django_plugin_system import BoundTo


class Route(str, Enum):
    """How a message travels."""

    ECONOMY = "economy"
    STANDARD = "standard"
    EXPRESS = "express"


class Login(BaseModel):
    """User and password of the account."""

    user: str = Field(title="User", min_length=1)
    password: SecretStr = Field(title="Password", min_length=1)


class Reports(BaseModel):
    """Where delivery reports go."""

    url: HttpUrl = Field(title="URL")
    on: Literal["delivered", "failed", "both"] = Field(default="both", title="Report when")


class PigeonConfig(BaseModel):
    """One account at Pigeon Post."""

    endpoint: HttpUrl = Field(title="Endpoint", description="The address that takes the form")
    login: Annotated[Login, BoundTo("endpoint")] = Field(title="Login")
    sender: str = Field(title="Sender", description="Up to 11 characters", pattern=r"^[\w ]{1,11}$")
    route: Route = Field(default=Route.STANDARD, title="Route", description="Express costs twice as much")
    price_limit: Decimal | None = Field(
        default=None, title="Price limit", description="Per message, in euro; empty for none", gt=0, decimal_places=3
    )
    tags: list[str] = Field(default_factory=list, title="Tags", description="Shown on the invoice", max_length=5)
    reports: Reports | None = Field(default=None, title="Delivery reports")
    timeout: float = Field(default=5, title="Timeout", description="Seconds", gt=0, le=60)
