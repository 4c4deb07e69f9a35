"""References into AWS Secrets Manager: ``{"$aws": "shop/sms#token"}``. Needs the extra ``aws``.

``PLUGIN_SYSTEM["REFERENCES"]["aws"]`` names this class as ``BACKEND``; its ``OPTIONS`` are those of
``boto3.client()``, ``region_name`` say, beside the times of ``ReferenceBackend``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import boto3
from botocore.config import Config

from django_plugin_system.config.backends import Given, ReferenceBackend, Unavailable

AT_ONCE = 20
"""How many secrets one request may ask for."""


class SecretsManager(ReferenceBackend):
    """Secrets by name or ARN, asked for in batches (the right ``secretsmanager:BatchGetSecretValue``)."""

    def __init__(self, *, ttl: float = 300, keep: float = 3600, timeout: float = 5, **options: Any) -> None:
        """Make a client with the ``options``; credentials come from where boto3 looks for them."""
        super().__init__(ttl=ttl, keep=keep, timeout=timeout)
        config = Config(connect_timeout=timeout, read_timeout=timeout, retries={"total_max_attempts": 2})
        self._client = boto3.client("secretsmanager", **{"config": config, **options})

    def resolve(self, names: Sequence[str]) -> Mapping[str, Given]:
        """Return the secrets; what AWS refuses to give counts as no answer."""
        found: dict[str, Given] = {}
        for start in range(0, len(names), AT_ONCE):
            answer = self._client.batch_get_secret_value(SecretIdList=[*names[start : start + AT_ONCE]])
            for secret in answer["SecretValues"]:
                value = secret["SecretString"] if "SecretString" in secret else secret["SecretBinary"]
                found[secret["Name"]] = found[secret["ARN"]] = value
            for error in answer.get("Errors", ()):
                if error["ErrorCode"] != "ResourceNotFoundException":
                    found[error["SecretId"]] = Unavailable(f"$aws {error['SecretId']}: {error['ErrorCode']}")
        return found
