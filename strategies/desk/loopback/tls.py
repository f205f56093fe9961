"""Certificates made when needed, signed by themselves, their keys never kept.

ccxt chooses the table of error codes by how the address begins, and knows only https addresses:
on plain http it takes "Margin is insufficient" for an unspecific error, and Freqtrade would retry
where it should give up. So an exchange to trade on is served over TLS.
"""

from __future__ import annotations

import datetime
import ssl
import tempfile
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_VALID = datetime.timedelta(days=30)
LOCALHOST = x509.IPAddress(IPv4Address("127.0.0.1"))


def server_context(
    subject: x509.GeneralName = LOCALHOST, *, trust: Path | None = None
) -> ssl.SSLContext:
    """Return a server's TLS context with a fresh self-signed certificate.

    Parameters
    ----------
    subject
        The address or the host the certificate is for.
    trust
        A file to write the certificate to, for a client that is told to trust it.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(subject, key).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    if trust is not None:
        trust.write_bytes(certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:  # the ssl module reads only files
        pem = Path(folder) / "served.pem"
        pem.write_bytes(private + certificate)
        context.load_cert_chain(pem)
    return context


def _certificate(subject: x509.GeneralName, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return a certificate that is its own authority, complete enough for Python 3.13's checks."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.datetime.now(datetime.UTC)
    public = key.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _VALID)
        .not_valid_after(now + _VALID)
        .add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_SIGNS, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )


_SIGNS = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
