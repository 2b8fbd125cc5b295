"""Why TLS with a peer failed, in words: OpenSSL's reasons name routines of its own."""

from __future__ import annotations

import ssl

__all__ = ["reason_of"]

_NO_TLS = {
    "HTTP_REQUEST",
    "RECORD_LAYER_FAILURE",
    "UNEXPECTED_MESSAGE",
    "UNEXPECTED_RECORD",
    "UNKNOWN_PROTOCOL",
    "UNSUPPORTED_PROTOCOL",
    "WRONG_VERSION_NUMBER",
}
_OTHER_KEY = {"BINDER_DOES_NOT_VERIFY", "DECRYPTION_FAILED_OR_BAD_RECORD_MAC"}
_LOOK = "look at the peer's log for why it refused, and check the credentials of both ends"


def reason_of(error: Exception) -> tuple[str, str]:
    """Tell what happened, and what helps.

    Parameters
    ----------
    error : Exception
        Of a handshake, or of a session: OpenSSL's, or that of the connection below.

    Returns
    -------
    reason, remedy : str
        Without a full stop.

    Examples
    --------
    >>> reason_of(TimeoutError("timed out"))[0]
    'it timed out in the handshake'
    """
    if isinstance(error, TimeoutError):
        return "it timed out in the handshake", "look whether the peer hangs, or speaks no TLS"
    name = str(getattr(error, "reason", "") or "")
    if isinstance(error, ssl.SSLCertVerificationError):
        message = error.verify_message.rstrip(".") or str(error)
        if error.verify_code in _OTHER_NAME:
            return f"its certificate: {message}", "give the name that is in it as the hostname"
        return f"its certificate: {message}", "give both ends valid certificates of one authority"
    if name in _NO_TLS:
        return "it speaks no TLS", "give it credentials (QEMU's tls-creds), or none here"
    if name in _OTHER_KEY:
        return "it has another key", "give both ends the same keys.psk"
    if "ALERT_" in name:
        alert = name.partition("ALERT_")[2].replace("_", " ").lower()
        return f"it refused: {alert}", _LOOK
    if isinstance(error, (ssl.SSLEOFError, ConnectionError)) or "EOF" in name:
        return (
            "it ended the connection",
            "look at its log: it may speak no TLS, or refuse this end",
        )
    text = name.replace("_", " ").lower() or getattr(error, "strerror", None) or str(error)
    return str(text), _LOOK


_OTHER_NAME = {62, 64}
"""``X509_V_ERR_HOSTNAME_MISMATCH`` and ``X509_V_ERR_IP_ADDRESS_MISMATCH``."""
