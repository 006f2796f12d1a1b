package dial_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/option"
)

// S3.14, H-C13: chains of proxies of every kind, with passwords and with
// certificates of their own, to servers with TLS and without. Each hop is asked
// for by the one before, and the server gets nothing before all have said yes.
func TestChains(t *testing.T) {
	for _, tt := range []struct {
		name    string
		schemes []string
	}{
		{"none", nil},
		{"http", []string{"http"}},
		{"https", []string{"https"}},
		{"socks5", []string{"socks5"}},
		{"http, http", []string{"http", "http"}},
		{"https, https: TLS in TLS", []string{"https", "https"}},
		{"socks5, http", []string{"socks5", "http"}},
		{"http, socks5h", []string{"http", "socks5h"}},
		{"https, http, socks5", []string{"https", "http", "socks5"}},
		{"socks5, https, https, socks5", []string{"socks5", "https", "https", "socks5"}},
	} {
		for _, secure := range []bool{false, true} {
			for _, auth := range []string{"", "user:p@:ss"} {
				t.Run(fmt.Sprintf("%s, secure %v, auth %q", tt.name, secure, auth), func(t *testing.T) {
					t.Parallel()
					f := &fake{t: t}
					d := &dial.Dialer{}
					var config *tls.Config
					if secure {
						config, d.TLSConfig = authority(t)
						d.TLSConfig.ServerName = "target.example"
					}
					to := &dial.Target{Secure: secure}
					to.Host, to.Port = f.target(config, len(tt.schemes))
					var want []string
					for i, scheme := range tt.schemes {
						p := f.proxy(scheme, auth)
						if user, password, ok := strings.Cut(auth, ":"); ok {
							p.User = url.UserPassword(user, password)
						}
						to.Proxies = append(to.Proxies, p)
						if i > 0 {
							want = append(want, p.Addr())
						}
					}
					if len(tt.schemes) > 0 {
						want = append(want, to.Addr())
					}
					l, err := d.Connect(within(t), to, dial.ALPNHTTP1)
					if err != nil {
						t.Fatal(err)
					}
					defer l.Socket.Close()
					if l.Addr != to.Addr() || (l.TLS() != nil) != secure {
						t.Errorf("the link is to %s, TLS %v", l.Addr, l.TLS())
					}
					f.mu.Lock()
					if !slices.Equal(f.asked, want) {
						t.Errorf("asked for %q, want %q", f.asked, want)
					}
					f.mu.Unlock()
					io.WriteString(l, "hello\n")
					if line, err := bufio.NewReader(l).ReadString('\n'); line != "hello\n" || err != nil {
						t.Errorf("the server said %q, %v", line, err)
					}
				})
			}
		}
	}
}

// What is for the server alone does not go to proxies: its name, and the
// client's certificate. The roots do.
func TestProxyTLSConfig(t *testing.T) {
	f := &fake{t: t}
	server, client := authority(t)
	asked := make(chan *tls.ClientHelloInfo, 1)
	certs := make(chan int, 1)
	own := server.Clone()
	own.ClientAuth = tls.RequestClientCert
	own.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) {
		asked <- h
		return nil, nil
	}
	own.VerifyConnection = func(s tls.ConnectionState) error {
		certs <- len(s.PeerCertificates)
		return nil
	}
	p := &dial.Proxy{Scheme: "https"}
	p.Host, p.Port = serve(t, own, func(c net.Conn) { f.httpProxy(c, "", "") })
	client.ServerName = "target.example"
	to := &dial.Target{Secure: true, Proxies: []*dial.Proxy{p}}
	to.Host, to.Port = f.target(server, 1)
	l, err := (&dial.Dialer{TLSConfig: client}).Connect(within(t), to, dial.ALPNHTTP2, dial.ALPNHTTP1)
	if err != nil {
		t.Fatal(err)
	}
	l.Socket.Close()
	if h := <-asked; h.ServerName != "" || !slices.Equal(h.SupportedProtos, []string{"http/1.1"}) {
		t.Errorf("the proxy was told of the name %q and of %q", h.ServerName, h.SupportedProtos)
	}
	if n := <-certs; n != 0 {
		t.Errorf("the proxy got %d certificates of the client", n)
	}
}

// H-C13: a proxy, the first one or one behind another, that refuses or
// misbehaves. The error is its own, and nothing is sent for the server.
func TestChainRefused(t *testing.T) {
	refusal := "HTTP/1.1 %d x\r\nX: y\r\n\r\n"
	for _, tt := range []struct {
		name   string
		scheme string
		user   *url.Userinfo
		answer string
		text   string
		err    error
		status int
	}{
		{name: "407", answer: fmt.Sprintf(refusal, 407), text: "it wants a password", status: 407},
		{name: "407 with a password", user: url.User("u"), answer: fmt.Sprintf(refusal, 407), text: "does not take", status: 407},
		{name: "403", answer: fmt.Sprintf(refusal, 403), text: "it refused to connect to target.invalid:80: status 403 Forbidden", status: 403},
		{name: "early bytes", answer: fmt.Sprintf(refusal, 200) + "HTTP/1.1 101 x\r\n", text: "before the server was asked", status: 200},
		{name: "endless header", answer: "HTTP/1.1 200 x\r\n" + strings.Repeat("X: y\r\n", 10_000), err: h1.ErrLimit},
		{name: "endless interim answers", answer: strings.Repeat("HTTP/1.1 103 x\r\n\r\n", 10_000), err: h1.ErrLimit},
		{name: "cut off", answer: "HTTP/1.1 200 x\r\nX", err: io.ErrUnexpectedEOF},
		{name: "nothing", err: io.ErrUnexpectedEOF},
		{name: "SOCKS5 truncated", scheme: "socks5", answer: "\x05", err: io.ErrUnexpectedEOF},
		{name: "SOCKS5 truncated later", scheme: "socks5", answer: "\x05\x00\x05\x00\x00\x01\x7f", err: io.ErrUnexpectedEOF},
		{name: "SOCKS5 nothing", scheme: "socks5", err: io.EOF},
		{name: "SOCKS5 refused", scheme: "socks5h", answer: "\x05\x00\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00", text: "not allowed"},
	} {
		for _, before := range []string{"", "http", "socks5", "https"} {
			t.Run(tt.name+" behind "+before, func(t *testing.T) {
				f := &fake{t: t}
				rest := make(chan string, 1)
				bad := &dial.Proxy{Scheme: tt.scheme, User: tt.user}
				if bad.Scheme == "" {
					bad.Scheme = "http"
				}
				bad.Host, bad.Port = serve(t, nil, func(c net.Conn) {
					in := bufio.NewReader(c)
					if tt.scheme == "" {
						http.ReadRequest(in)
					} else {
						io.CopyN(io.Discard, in, 3)
					}
					io.WriteString(c, tt.answer)
					if tt.text == "" {
						c.(*net.TCPConn).CloseWrite()
					}
					p, _ := io.ReadAll(in)
					rest <- string(p)
				})
				to := &dial.Target{Host: "target.invalid", Port: "80", Proxies: []*dial.Proxy{bad}}
				if before != "" {
					to.Proxies = []*dial.Proxy{f.proxy(before, ""), bad}
				}
				_, err := (&dial.Dialer{}).Connect(within(t), to)
				e, ok := errors.AsType[*dial.Error](err)
				if !ok || e.Step != dial.StepProxy || e.Addr != bad.Addr() || e.Status != tt.status {
					t.Fatalf("error %v, want one of the proxy %s with status %d", err, bad.Addr(), tt.status)
				}
				if tt.status != 0 && e.Header.Get("X") != "y" {
					t.Errorf("header %v", e.Header)
				}
				if tt.err != nil && !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.text) {
					t.Errorf("error %v, want %v, %q", err, tt.err, tt.text)
				}
				if got := <-rest; tt.scheme == "" && got != "" || len(got) > 32 {
					t.Errorf("sent to the server: %q", got)
				}
			})
		}
	}
}

// A proxy's address goes into what is said of it, its password never does.
func TestParseProxy(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"http://p", "http://p:80"},
		{"https://u:secret@p", "https://u:secret@p:443"},
		{"socks5://[::1]:9", "socks5://[::1]:9"},
		{"socks5h://p", "socks5h://p:1080"},
		{"ftp://p", ""},
		{"http://u:secret@", ""},
		{"http://u:secret@p:0", ""},
		{"http://u:secret@p:65536", ""},
		{"p:80", ""},
		{"u:secret@p:80", ""},
		{"http:u:secret@p:80", ""},
	} {
		u, err := url.Parse(tt.in)
		if err != nil {
			t.Fatal(err)
		}
		p, err := dial.ParseProxy(u)
		if tt.want == "" {
			if _, ok := errors.AsType[*option.Error](err); !ok || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", tt.in, err)
			}
		} else if err != nil || p.String() != tt.want {
			t.Errorf("%s is %v, %v", tt.in, p, err)
		}
	}
}

// A header that can't stand in a request is found before it is sent.
func TestProxyHeader(t *testing.T) {
	f := &fake{t: t}
	p := f.proxy("http", "")
	p.Header = http.Header{"X": {"a\r\nb"}}
	to := &dial.Target{Host: "target.invalid", Port: "80", Proxies: []*dial.Proxy{p}}
	_, err := (&dial.Dialer{}).Connect(within(t), to)
	if e, ok := errors.AsType[*dial.Error](err); !ok || e.Step != dial.StepProxy || !errors.Is(err, h1.ErrField) {
		t.Errorf("error %v", err)
	}
	if len(f.asked) != 0 {
		t.Errorf("asked for %q", f.asked)
	}
}

// A unix socket has no proxies before it, and no lookup.
func TestUnix(t *testing.T) {
	path := t.TempDir() + "/s"
	s, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d := &dial.Dialer{Unix: path}
	l, err := d.Connect(within(t), &dial.Target{Host: "h.invalid", Port: "80", Proxies: []*dial.Proxy{{Scheme: "http", Host: "p.invalid", Port: "80"}}})
	if err != nil {
		t.Fatal(err)
	}
	l.Socket.Close()
	d.Unix += "x"
	_, err = d.Connect(context.Background(), &dial.Target{Host: "h.invalid", Port: "80"})
	if e, ok := errors.AsType[*dial.Error](err); !ok || e.Step != dial.StepConnect || e.Addr != d.Unix {
		t.Errorf("error %v", err)
	}
}
