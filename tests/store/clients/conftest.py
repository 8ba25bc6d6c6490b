"""Fixtures for the clients in other languages."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.ports import free_port
from servers import Server, require_program


@pytest.fixture
def tls_url(tmp_path: Path, start_server: Callable[..., Server]) -> str:
    """The URL of a Redis that speaks TLS 1.3; its certificate is its own authority."""
    certificate, key, port = tmp_path / "certificate.pem", tmp_path / "key.pem", free_port()
    subprocess.run(
        [require_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-ca-cert-file", str(certificate),
               "--tls-key-file", str(key), "--tls-auth-clients", "no", "--tls-protocols", "TLSv1.3"]  # fmt: skip
    start_server("redis", *options)
    return f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}"
