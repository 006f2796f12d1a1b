package interop_test

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// hop is a proxy for clients: tinyproxy or squid, which have CONNECT, or
// microsocks, which has SOCKS5.
type hop struct {
	*process
	scheme, addr string
	user         *url.Userinfo  // nil when everybody may pass
	mismatch     int            // the status for a wrong user or password
	roots        *x509.CertPool // of an https proxy
	file         string         // where it says what it does, if not on its outputs
	said         strings.Builder
}

// url is what a client is given.
func (h *hop) url() *url.URL { return &url.URL{Scheme: h.scheme, Host: h.addr, User: h.user} }

// as is the URL with another user and password.
func (h *hop) as(user *url.Userinfo) *url.URL {
	return &url.URL{Scheme: h.scheme, Host: h.addr, User: user}
}

// credentials of a proxy, in the few characters that tinyproxy takes.
func credentials(wanted bool) *url.Userinfo {
	if !wanted {
		return nil
	}
	return url.UserPassword("carol", "pa55-w0rd.")
}

// startTinyproxy starts a proxy with CONNECT.
func startTinyproxy(t *testing.T, wantsPassword bool) *hop {
	t.Helper()
	program := needProgram(t, "tinyproxy")
	port := freePort(t)
	h := &hop{scheme: "http", addr: fmt.Sprintf("127.0.0.1:%d", port), user: credentials(wantsPassword)}
	h.mismatch = http.StatusUnauthorized // it confuses proxies and servers here
	config := fmt.Sprintf("Port %d\nListen 127.0.0.1\nTimeout 60\nMaxClients 200\nLogLevel Connect\n", port)
	if h.user != nil {
		password, _ := h.user.Password()
		config += fmt.Sprintf("BasicAuth %s %s\n", h.user.Username(), password)
	}
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	h.process = start(t, program, "-d", "-c", file)
	h.endBySignal()
	h.awaitListener("tcp", h.addr)
	return h
}

// squidConfig is a proxy that stores nothing, and has a program of its own for
// passwords.
const squidConfig = `
http_port 127.0.0.1:%[2]d
pid_filename none
cache deny all
cache_mem 1 MB
access_log stdio:%[1]s/access.log
cache_log %[1]s/cache.log
cache_store_log none
coredump_dir %[1]s
shutdown_lifetime 0 seconds
visible_hostname proxy.example
max_filedescriptors 1024
logfile_rotate 0
pinger_enable off
netdb_filename none
auth_param basic program /bin/sh %[1]s/passwords
auth_param basic children 1 startup=1
auth_param basic realm office
acl known proxy_auth REQUIRED
http_access allow %[3]s
http_access deny all
`

// startSquid starts a proxy with CONNECT, which offices have.
func startSquid(t *testing.T, wantsPassword bool) *hop {
	t.Helper()
	program := needDaemon(t, "squid")
	port := freePort(t)
	// It runs as a user of its own when root starts it, which may not look into
	// t.TempDir.
	dir, err := os.MkdirTemp("", "squid")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	h := &hop{scheme: "http", addr: fmt.Sprintf("127.0.0.1:%d", port), user: credentials(wantsPassword)}
	h.mismatch = http.StatusProxyAuthRequired
	h.file = filepath.Join(dir, "access.log")
	who := "all"
	if h.user != nil {
		who = "known"
	}
	carol := credentials(true)
	password, _ := carol.Password()
	passwords := fmt.Sprintf("while read -r line; do if [ \"$line\" = '%s %s' ]; then echo OK; else echo ERR; fi; done\n", carol.Username(), password)
	for name, text := range map[string]string{"config": fmt.Sprintf(squidConfig, dir, port, who), "passwords": passwords} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h.process = start(t, program, "-N", "-f", filepath.Join(dir, "config"))
	h.endBySignal()
	h.awaitListener("tcp", h.addr)
	return h
}

// startMicrosocks starts a proxy with SOCKS5.
func startMicrosocks(t *testing.T, wantsPassword bool) *hop {
	t.Helper()
	program := needProgram(t, "microsocks")
	port := freePort(t)
	h := &hop{scheme: "socks5", addr: fmt.Sprintf("127.0.0.1:%d", port), user: credentials(wantsPassword)}
	args := []string{"-i", "127.0.0.1", "-p", fmt.Sprint(port)}
	if h.user != nil {
		password, _ := h.user.Password()
		args = append(args, "-u", h.user.Username(), "-P", password)
	}
	h.process = start(t, program, args...)
	h.endBySignal()
	h.awaitListener("tcp", h.addr)
	return h
}

// behindTLS puts TLS, which is haproxy's, in front of a proxy.
func (h *hop) behindTLS(t *testing.T) *hop {
	t.Helper()
	p := startProxy(t, needDaemon(t, "haproxy"), fmt.Sprintf(`
global
	log stderr format raw local0 notice
defaults
	mode tcp
	timeout connect 5s
	timeout client 60s
	timeout server 60s
listen proxy
	bind 127.0.0.1:{port} ssl crt {dir}/both.pem alpn http/1.1
	server behind %s
`, h.addr), "-db", "-f", "{dir}/config")
	return &hop{process: h.process, scheme: "https", addr: p.addr, user: h.user, roots: p.roots, mismatch: h.mismatch, file: h.file}
}

// wantPassed wants the proxy to have been asked for a connection to addr, which
// is over: squid tells of it then.
func (h *hop) wantPassed(t *testing.T, addr string) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		if h.file != "" {
			log, err := os.ReadFile(h.file)
			if err != nil {
				t.Fatal(err)
			}
			h.said.Reset()
			h.said.Write(log)
		}
		if strings.Contains(h.said.String(), addr) || strings.Contains(h.log.String(), addr) {
			return
		}
		select {
		case line := <-h.lines:
			h.said.WriteString(line + "\n")
		case <-tick.C:
		case <-deadline:
			t.Errorf("%s says nothing of %s: %s%s", h.cmd.Path, addr, h.said.String(), h.log.String())
			return
		}
	}
}
