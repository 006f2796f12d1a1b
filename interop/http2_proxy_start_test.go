package interop_test

import (
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lariat-go/websocket/handshake"
)

var errDisabled = handshake.ErrExtendedConnectDisabled

// proxy is a front end with TLS, which speaks HTTP/2 and HTTP/1.1.
type proxy struct {
	addr  string         // host:port
	roots *x509.CertPool // that know its certificate
}

// needDaemon returns the path of a program, also where Debian puts those that
// are not for every user's PATH.
func needDaemon(t *testing.T, name string) string {
	t.Helper()
	peers(t)
	if path, err := exec.LookPath(filepath.Join("/usr/sbin", name)); err == nil {
		return path
	}
	return needProgram(t, name)
}

// startProxy writes the certificate and the configuration into a folder, which
// the texts name as {dir}, starts the program, and waits until it listens.
func startProxy(t *testing.T, program, config string, args ...string) *proxy {
	t.Helper()
	dir := t.TempDir()
	p := &proxy{addr: fmt.Sprintf("127.0.0.1:%d", freePort(t)), roots: x509.NewCertPool()}
	cert := testCertificate(t)
	p.roots.AddCert(cert.Leaf)
	certificate, key := asPEM(t, cert)
	_, port, _ := strings.Cut(p.addr, ":")
	fill := strings.NewReplacer("{dir}", dir, "{port}", port)
	for name, text := range map[string]string{"config": fill.Replace(config), "cert.pem": certificate, "key.pem": key, "both.pem": certificate + key} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range args {
		args[i] = fill.Replace(args[i])
	}
	d := start(t, program, args...)
	d.endBySignal()
	d.awaitListener("tcp", p.addr)
	return p
}

// endBySignal has the process told to end, for one that does not care for the end
// of its input.
func (p *process) endBySignal() {
	p.t.Cleanup(func() { _ = p.cmd.Process.Signal(syscall.SIGTERM) })
}

// awaitListener waits until the process listens.
func (p *process) awaitListener(network, addr string) {
	p.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		if c, err := net.Dial(network, addr); err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-tick.C:
		case <-p.ended:
			p.t.Fatalf("%s ended: %.2000s", p.cmd.Path, p.log.String())
		case <-deadline:
			p.t.Fatalf("%s does not listen: %.2000s", p.cmd.Path, p.log.String())
		}
	}
}

// freePort returns a port that nobody has, and that the kernel gives to nobody.
func freePort(t *testing.T) int {
	t.Helper()
	for range 100 {
		port := 20_000 + rand.IntN(12_000)
		if l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

func startNghttpx(t *testing.T, backend *server, version int) *proxy {
	t.Helper()
	back := fmt.Sprintf("127.0.0.1,%d", backend.port())
	if version == 2 {
		back += ";;proto=h2"
	}
	return startProxy(t, needDaemon(t, "nghttpx"), "", "--conf={dir}/config", "--single-process", "--workers=1", "--no-ocsp",
		"--errorlog-file=/dev/stderr", "--frontend=127.0.0.1,{port}", "--backend="+back, "{dir}/key.pem", "{dir}/cert.pem")
}

func startHAProxy(t *testing.T, backend *server, version int) *proxy {
	t.Helper()
	proto := ""
	if version == 2 {
		proto = "proto h2"
	}
	return startProxy(t, needDaemon(t, "haproxy"), fmt.Sprintf(`
global
	log stderr format raw local0 notice
defaults
	mode http
	timeout connect 5s
	timeout client 30s
	timeout server 30s
	timeout tunnel 60s
listen sockets
	bind 127.0.0.1:{port} ssl crt {dir}/both.pem alpn h2,http/1.1
	server ours 127.0.0.1:%d %s
`, backend.port(), proto), "-db", "-f", "{dir}/config")
}

// startApache gives it as many threads as there are sockets: each takes one. When
// the server cuts a connection, it lets the client know after Timeout.
func startApache(t *testing.T, backend *server, _ int) *proxy {
	t.Helper()
	const modules = "/usr/lib/apache2/modules"
	if _, err := os.Stat(modules); err != nil {
		absent(t, modules)
	}
	var load strings.Builder
	for _, m := range []string{"mpm_event", "authz_core", "ssl", "http2", "proxy", "proxy_http"} {
		fmt.Fprintf(&load, "LoadModule %[1]s_module %[2]s/mod_%[1]s.so\n", m, modules)
	}
	return startProxy(t, needDaemon(t, "apache2"), load.String()+fmt.Sprintf(`
ServerRoot {dir}
ServerName localhost
DefaultRuntimeDir {dir}
PidFile {dir}/pid
ErrorLog /dev/stderr
LogLevel error
Timeout 8
User www-data
Group www-data
StartServers 1
ServerLimit 1
ThreadLimit 128
ThreadsPerChild 128
MaxRequestWorkers 128
Listen 127.0.0.1:{port}
Protocols h2 http/1.1
H2WebSockets on
SSLEngine on
SSLCertificateFile {dir}/cert.pem
SSLCertificateKeyFile {dir}/key.pem
ProxyPreserveHost on
ProxyPass / http://127.0.0.1:%d/ upgrade=websocket
`, backend.port()), "-f", "{dir}/config", "-DFOREGROUND")
}
