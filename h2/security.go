package h2

import (
	"crypto/tls"
	"fmt"
)

// inadequate says why HTTP/2 must not be spoken over a TLS connection, and
// nothing if it may (RFC 9113, section 9.2).
func inadequate(cs *tls.ConnectionState, anySuite bool) string {
	switch {
	case cs == nil:
		return ""
	case cs.Version < tls.VersionTLS12:
		return "HTTP/2 needs TLS 1.2 or higher"
	case cs.Version == tls.VersionTLS12 && !anySuite && !goodSuite(cs.CipherSuite):
		return fmt.Sprintf("the cipher suite %s is on the list of RFC 9113, appendix A", tls.CipherSuiteName(cs.CipherSuite))
	}
	return ""
}

// goodSuite reports whether a cipher suite of TLS 1.2 is not on the list of RFC
// 9113, appendix A: those with an ephemeral key exchange and an AEAD.
func goodSuite(id uint16) bool {
	switch id {
	case tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256:
		return true
	}
	return false
}

// requiredSuite reports whether every client of TLS 1.2 has to know a cipher
// suite (RFC 9113, section 9.2.2), with RSA or ECDSA certificates.
func requiredSuite(id uint16) bool {
	return id == tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 || id == tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
}
