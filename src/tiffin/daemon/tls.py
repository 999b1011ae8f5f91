"""The TLS context of TCP listeners, and who may listen without one.

The API is root on this host: TCP answers nobody without a verified client certificate unless that was asked for by
name (--tls=false, or --tls with --tlsverify=false).
"""

from __future__ import annotations

import os
import ssl

from tiffin.daemon.config import Config, ConfigError


def server_context(config: Config) -> ssl.SSLContext | None:
    """The context for TCP listeners; None when the configuration says, by name, that there is to be no TLS."""
    if config.uses_tls:
        if not config.verifies_clients and config.tlsverify is None:
            raise ConfigError(
                "refusing to listen on TCP for clients without a certificate, who would be root on this host: "
                "use --tlsverify with --tlscacert, or ask for it by name with --tlsverify=false"
            )
        return _context(config)
    if config.tls is None:
        raise ConfigError(
            "refusing to listen on TCP without TLS, as anybody who reaches the port would be root on this host: "
            "use --tlsverify with --tlscacert, --tlscert and --tlskey, or ask for it by name with --tls=false"
        )
    return None


def _context(config: Config) -> ssl.SSLContext:
    directory = os.environ.get("DOCKER_CERT_PATH") or os.path.expanduser("~/.docker")
    authority = config.tlscacert or f"{directory}/ca.pem"
    certificate = config.tlscert or f"{directory}/cert.pem"
    key = config.tlskey or f"{directory}/key.pem"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (OSError, ValueError) as error:
        reason = _reason(error)
        raise ConfigError(f'could not load X509 key pair (cert: "{certificate}", key: "{key}"): {reason}') from None
    if config.verifies_clients:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(authority)
        except OSError as error:
            raise ConfigError(f'could not read CA certificate "{authority}": {_reason(error)}') from None
    return context


def _no_passphrase() -> str:
    """Asked for when a key is encrypted; without this OpenSSL would ask the terminal."""
    raise ValueError("private key is encrypted - remove the passphrase")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
