"""Every error of the package: one tree, each error also a fitting builtin or Django exception.

No message in this tree holds a secret: whoever raises passes names, paths and key ids, never values.
"""

from django_plugin_system.exceptions.choosing import (
    AmbiguousPluginType,
    InvalidPluginChoice,
    NoPluginAvailable,
    PluginBuildError,
    PluginInstanceNotFound,
    PluginItemNotFound,
    PluginTypeNotFound,
)
from django_plugin_system.exceptions.configuring import (
    ConfigError,
    ConfigMigrationFailed,
    ConfigWriteRefused,
    FieldProblem,
    InvalidConfig,
    NewerConfigVersion,
    PluginNotRegistered,
    StaleConfig,
    StoredConfigInvalid,
    UnresolvedReference,
    UnstorableConfig,
)
from django_plugin_system.exceptions.declaring import (
    InvalidConfigSchema,
    InvalidInterface,
    InvalidPluginClass,
    InvalidRegistration,
    InvalidSetting,
    InvalidSnapshot,
    RegistrationConflict,
    RegistrationError,
    SnapshotNotWritten,
)
from django_plugin_system.exceptions.providing import (
    AllPluginsFailed,
    PluginOutcomeUnknown,
    PluginRejected,
    PluginUnavailable,
)
from django_plugin_system.exceptions.root import (
    Path,
    PluginSystemError,
    show_path,
)
from django_plugin_system.exceptions.secrets import (
    ConfigShapeError,
    EndpointChanged,
    MalformedToken,
    SecretError,
    TamperedToken,
    UnknownKey,
)
from django_plugin_system.exceptions.testing import ContractBroken, PluginBlocked
from django_plugin_system.exceptions.transferring import ImportRefused, InvalidDocument

__all__ = [
    "AllPluginsFailed",
    "AmbiguousPluginType",
    "ConfigError",
    "ConfigMigrationFailed",
    "ConfigShapeError",
    "ConfigWriteRefused",
    "ContractBroken",
    "EndpointChanged",
    "FieldProblem",
    "ImportRefused",
    "InvalidConfig",
    "InvalidConfigSchema",
    "InvalidDocument",
    "InvalidInterface",
    "InvalidPluginChoice",
    "InvalidPluginClass",
    "InvalidRegistration",
    "InvalidSetting",
    "InvalidSnapshot",
    "MalformedToken",
    "NewerConfigVersion",
    "NoPluginAvailable",
    "Path",
    "PluginBlocked",
    "PluginBuildError",
    "PluginInstanceNotFound",
    "PluginItemNotFound",
    "PluginNotRegistered",
    "PluginOutcomeUnknown",
    "PluginRejected",
    "PluginSystemError",
    "PluginTypeNotFound",
    "PluginUnavailable",
    "RegistrationConflict",
    "RegistrationError",
    "SecretError",
    "SnapshotNotWritten",
    "StaleConfig",
    "StoredConfigInvalid",
    "TamperedToken",
    "UnknownKey",
    "UnresolvedReference",
    "UnstorableConfig",
    "show_path",
]

for _name in __all__:
    if type(_found := globals()[_name]) is type:
        _found.__module__ = __name__  # tracebacks and pickles name the place that callers import from
