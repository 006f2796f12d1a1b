package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"time"
)

// selfSignedLife is how long a certificate made in memory is valid. It goes
// with the process; browsers refuse longer ones than 398 days.
const selfSignedLife = 30 * 24 * time.Hour

// serverCertificate loads a certificate with its key or, without file names,
// makes a self-signed one in memory.
func serverCertificate(certFile, keyFile, host string) (tls.Certificate, error) {
	if certFile == "" && keyFile == "" {
		return selfSigned(host)
	}
	if certFile == "" || keyFile == "" {
		return tls.Certificate{}, usage("--cert FILE --key FILE", "a certificate needs its key: --cert and --key go together")
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return cert, fail(exitTLS, "both files in PEM, the certificate before its issuers", "cannot load the certificate: %w", err)
	}
	return cert, nil
}

// selfSigned makes a certificate for this machine's loopback names and for
// host, which may be empty.
func selfSigned(host string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "lariat serve"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(selfSignedLife),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		IsCA:                  true,
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if ip := net.ParseIP(host); ip != nil && !ip.IsUnspecified() {
		t.IPAddresses = append(t.IPAddresses, ip)
	} else if ip == nil && host != "" {
		t.DNSNames = append(t.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// fingerprint is the SHA-256 of a certificate, in hex with colons.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(parts, ":")
}

// pinError is a certificate that is not the pinned one.
type pinError struct{ got, want string }

func (e *pinError) Error() string {
	return fmt.Sprintf("the server's certificate has the fingerprint %s, not %s", e.got, e.want)
}

// pinned checks that the certificate is the one with the given fingerprint,
// and nothing else: the fingerprint stands for the issuer and the host name.
func pinned(want string) (func(tls.ConnectionState) error, error) {
	sum, err := hex.DecodeString(strings.ReplaceAll(want, ":", ""))
	if err != nil || len(sum) != sha256.Size {
		return nil, usage("--pin followed by what lariat serve --tls printed", "%q is not a SHA-256 fingerprint: 64 hex digits", trim(want, 64))
	}
	return func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return &pinError{"none", want}
		}
		der := s.PeerCertificates[0].Raw
		if got := sha256.Sum256(der); string(got[:]) != string(sum) {
			return &pinError{fingerprint(der), want}
		}
		return nil
	}, nil
}

// clientTLS is the TLS configuration that the flags of a client ask for, nil
// for the default.
func clientTLS(insecure bool, pin, caFile, certFile, keyFile string) (*tls.Config, error) {
	if !insecure && pin == "" && caFile == "" && certFile == "" && keyFile == "" {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: insecure}
	if pin != "" {
		check, err := pinned(pin)
		if err != nil {
			return nil, err
		}
		c.InsecureSkipVerify, c.VerifyConnection = true, check
	}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fail(exitTLS, "--cacert FILE, in PEM", "cannot read the trusted certificates: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fail(exitTLS, "a file with -----BEGIN CERTIFICATE-----", "there is no certificate in %q", trim(caFile, 64))
		}
	}
	if certFile != "" || keyFile != "" {
		if certFile == "" || keyFile == "" {
			return nil, usage("--cert FILE --key FILE", "a certificate needs its key: --cert and --key go together")
		}
		cert, err := tls.LoadX509KeyPair(certFile, keyFile)
		if err != nil {
			return nil, fail(exitTLS, "both files in PEM", "cannot load the certificate: %w", err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}
