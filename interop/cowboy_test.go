package interop_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/lariat-go/websocket"
)

// needCowboy returns the path of escript and the folder of Cowboy, which Debian's
// rabbitmq-server carries.
func needCowboy(t *testing.T) (escript, libs string) {
	t.Helper()
	escript = needProgram(t, "escript")
	found, err := filepath.Glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*/plugins/cowboy-*/ebin/cowboy.app")
	if err != nil || len(found) == 0 {
		absent(t, "rabbitmq-server, with Cowboy in it")
	}
	return escript, filepath.Join(filepath.Dir(found[0]), "../..")
}

// startCowboy starts the echo server of peers/cowboy.escript.
func startCowboy(t *testing.T, o map[string]any) *process {
	t.Helper()
	escript, libs := needCowboy(t)
	o["libs"] = libs
	return start(t, escript, "peers/cowboy.escript", asJSON(t, o))
}

// forCowboy is the setting in Cowboy's words.
func (s *setting) forCowboy() map[string]any {
	type m = map[string]any
	deflate := map[string]m{
		"plain":                          {},
		"no takeover":                    {},
		"takeover":                       {},
		"takeover asked off by the peer": {"server_context_takeover": "no_takeover", "client_context_takeover": "no_takeover"},
		"windows of 9 bits asked by us":  {},
		"windows asked by the peer":      {"server_max_window_bits": 10, "client_max_window_bits": 9},
	}
	return m{"compress": s.ours != nil, "deflate": deflate[s.name], "origin": "http://good.example"}
}

// Cowboy as a server, for our client: over HTTP/1.1 and HTTP/2, with and without
// TLS. S0.1 S2.8
func TestCowboyServer(t *testing.T) {
	for _, setting := range settings() {
		for _, secure := range []bool{false, true} {
			if secure && setting.name != "takeover" {
				continue
			}
			for _, version := range []websocket.HTTPVersion{websocket.HTTP1, websocket.HTTP2} {
				t.Run(fmt.Sprintf("%s%s HTTP %d", setting.name, scheme(secure), version), func(t *testing.T) {
					t.Parallel()
					o := setting.forCowboy()
					roots := x509.NewCertPool()
					url := "ws"
					if secure {
						roots.AddCert(testCertificate(t).Leaf)
						o["cert"], o["key"] = certificateFiles(t)
						url = "wss"
					}
					testClientBy(t, startCowboy(t, o), setting, url, func(o *websocket.DialOptions) {
						o.HTTP = version
						o.TLSConfig = &tls.Config{RootCAs: roots}
					}, traits{closesTersely: true, sendsWhole: true})
				})
			}
		}
	}
}

// certificateFiles writes the certificate of the tests and its key into files.
func certificateFiles(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	certificate, private := asPEM(t, testCertificate(t))
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, text := range map[string]string{cert: certificate, key: private} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
