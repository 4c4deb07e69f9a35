"""How one e-mail sender is configured."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr

from django_plugin_system import BoundTo

_ADDRESS = r"^[^@\s]+@[^@\s]+$"


class Login(BaseModel):
    """User and password at the mail server."""

    user: str = Field(title="User", min_length=1)
    password: SecretStr = Field(title="Password", min_length=1)


class EmailConfig(BaseModel):
    """One mail server, and in whose name to write."""

    host: str = Field(title="Host", min_length=1)
    port: int = Field(default=587, title="Port", ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", title="Security", description="none is for a server on this machine only"
    )
    login: Annotated[Login | None, BoundTo("host", "port")] = Field(default=None, title="Login")
    sender: str = Field(title="Sender", description="The From address", pattern=_ADDRESS)
    reply_to: str | None = Field(default=None, title="Reply to", description="Empty: the sender", pattern=_ADDRESS)
    timeout: float = Field(default=10, title="Timeout", description="Seconds", gt=0, le=120)
