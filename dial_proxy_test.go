package websocket_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/rawserver"
)

// relay copies both ways until one direction ends.
func relay(a, b net.Conn) {
	var wg sync.WaitGroup
	for _, p := range [][2]net.Conn{{a, b}, {b, a}} {
		wg.Go(func() {
			io.Copy(p[0], p[1])
			p[0].Close()
			p[1].Close()
		})
	}
	wg.Wait()
}

// connectProxy is an HTTP proxy that allows CONNECT, to user and password where
// auth is not empty. targets gets what it was asked to connect to.
func connectProxy(auth string, targets chan<- string) func(net.Conn) {
	return func(c net.Conn) {
		r := readRequest(c)
		switch {
		case r == nil:
			return
		case r.Method != "CONNECT":
			io.WriteString(c, "HTTP/1.1 405 x\r\nContent-Length: 0\r\n\r\n")
			return
		case auth != "" && r.Header.Get("Proxy-Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte(auth)):
			io.WriteString(c, "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n")
			return
		case len(r.Header) > 1 || r.Host != r.RequestURI:
			io.WriteString(c, "HTTP/1.1 400 x\r\nContent-Length: 0\r\n\r\n")
			return
		}
		targets <- r.RequestURI
		to, err := net.Dial("tcp", r.RequestURI)
		if err != nil {
			io.WriteString(c, "HTTP/1.1 502 x\r\nContent-Length: 0\r\n\r\n")
			return
		}
		// RFC 9110, section 9.3.6: lengths in this answer mean nothing.
		io.WriteString(c, "HTTP/1.0 200 Connection established\r\nContent-Length: 5\r\n\r\n")
		relay(c, to)
	}
}

// socksProxy is a SOCKS5 proxy (RFC 1928, RFC 1929).
func socksProxy(auth string, targets chan<- string) func(net.Conn) {
	return func(c net.Conn) {
		in := bufio.NewReader(c)
		take := func(n int) []byte {
			p := make([]byte, n)
			io.ReadFull(in, p)
			return p
		}
		methods := take(int(take(2)[1]))
		if auth == "" {
			c.Write([]byte{5, 0})
		} else {
			if !strings.Contains(string(methods), "\x02") {
				c.Write([]byte{5, 0xff})
				return
			}
			c.Write([]byte{5, 2})
			user := string(take(int(take(2)[1])))
			password := string(take(int(take(1)[0])))
			if user+":"+password != auth {
				c.Write([]byte{1, 1})
				return
			}
			c.Write([]byte{1, 0})
		}
		var host string
		switch h := take(4); h[3] {
		case 1:
			host = net.IP(take(4)).String()
		case 3:
			host = string(take(int(take(1)[0])))
		default:
			return
		}
		target := net.JoinHostPort(host, fmt.Sprint(binary.BigEndian.Uint16(take(2))))
		targets <- target
		to, err := net.Dial("tcp", target)
		if err != nil {
			c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		c.Write([]byte{5, 0, 0, 1, 127, 0, 0, 1, 0, 80})
		relay(c, to)
	}
}

// Every kind of proxy to every kind of server, with and without a password.
func TestDialProxy(t *testing.T) {
	server, client := certificate(t)
	plain := requestServer(t, greeter)
	secure := serveTLS(t, server, greeter)
	targets := make(chan string, 1)
	overTLS := func(handle func(net.Conn)) string {
		return rawserver.Serve(t, tls.NewListener(rawserver.Listen(t), server), handle)
	}
	_, port, _ := net.SplitHostPort(plain)
	for name, proxy := range map[string]string{
		"http":              "http://" + rawServer(t, connectProxy("", targets)),
		"http, password":    "http://u:p%40:@" + rawServer(t, connectProxy("u:p@:", targets)),
		"https":             "https://" + overTLS(connectProxy("", targets)),
		"https, password":   "https://u:p@" + overTLS(connectProxy("u:p", targets)),
		"socks5":            "socks5://" + rawServer(t, socksProxy("", targets)),
		"socks5h, password": "socks5h://u:p@" + rawServer(t, socksProxy("u:p", targets)),
	} {
		for _, to := range []string{"ws://" + plain, "wss://" + secure, "ws://localhost:" + port} {
			t.Run(name+" "+to[:3], func(t *testing.T) {
				u, _ := url.Parse(to)
				asked := ""
				c, err := websocket.Dial(within(t), to+"/x", &websocket.DialOptions{
					TLSConfig: client,
					Proxy: func(r *http.Request) (*url.URL, error) {
						asked = r.URL.String()
						return url.Parse(proxy)
					},
				})
				mustGreet(t, c, err)
				// The proxy connects, and looks up the name.
				if got := <-targets; got != u.Host {
					t.Errorf("the proxy was asked for %s, want %s", got, u.Host)
				}
				if want := strings.Replace(to, "ws", "http", 1) + "/x"; asked != want {
					t.Errorf("Proxy was asked for %s, want %s", asked, want)
				}
			})
		}
	}
}

// A name for the server's certificate is not one for the proxy's.
func TestDialProxyServerName(t *testing.T) {
	server, client := certificate(t)
	targets := make(chan string, 1)
	proxy := rawserver.Serve(t, tls.NewListener(rawserver.Listen(t), server), connectProxy("", targets))
	client.ServerName = "example.com"
	c, err := websocket.Dial(within(t), "wss://"+serveTLS(t, server, greeter), &websocket.DialOptions{TLSConfig: client, Proxy: proxyURL("https://" + proxy)})
	mustGreet(t, c, err)
}

// H-C13: proxies that refuse or misbehave. Nothing for the server is sent
// before the proxy has said 2xx.
func TestDialProxyRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		scheme string
		answer string // to the first request
		text   string
		err    error
		status int
	}{
		{name: "407", answer: "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", text: "user:password@", status: 407},
		{name: "407 in spite of a password", scheme: "http://u:p@", answer: "HTTP/1.1 407 x\r\nProxy-Authenticate: Basic\r\n\r\n", text: "does not take", status: 407},
		{name: "502", answer: "HTTP/1.1 502 x\r\nProxy-Authenticate: Basic\r\n\r\nbad gateway", text: "status 502", status: 502},
		{name: "101", answer: "HTTP/1.1 101 x\r\nProxy-Authenticate: Basic\r\n\r\n", text: "status 101", status: 101},
		{name: "200 and early bytes", answer: "HTTP/1.1 200 x\r\nProxy-Authenticate: Basic\r\n\r\nHTTP/1.1 101 x\r\n\r\n", text: "before the server was asked", status: 200},
		{name: "endless head", answer: "HTTP/1.1 200 x\r\n" + strings.Repeat("X: y\r\n", 10_000), err: h1.ErrLimit},
		{name: "endless line", answer: "HTTP/1.1 200 " + strings.Repeat("x", 100_000), err: h1.ErrLimit},
		{name: "no HTTP", answer: "hello\r\n", err: h1.ErrMalformed},
		{name: "HTTP/2", answer: "HTTP/2.0 200 OK\r\n\r\n", err: h1.ErrVersion},
		{name: "cut off", answer: "HTTP/1.1 200 x\r\n", err: io.ErrUnexpectedEOF},
		{name: "closed", err: io.ErrUnexpectedEOF},
		{name: "SOCKS5 truncated", scheme: "socks5://", answer: "\x05", err: io.ErrUnexpectedEOF},
		{name: "SOCKS5 closed", scheme: "socks5://", err: io.EOF},
		{name: "SOCKS4", scheme: "socks5://", answer: "\x04\x00", text: "version"},
		{name: "SOCKS5 without a method", scheme: "socks5://", answer: "\x05\xff", text: "method"},
		{name: "SOCKS5 refused", scheme: "socks5://", answer: "\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00", text: "refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rest := make(chan string, 1)
			addr := rawServer(t, func(c net.Conn) {
				if tt.scheme == "socks5://" {
					io.ReadFull(c, make([]byte, 3))
				} else {
					// Byte by byte, so that nothing behind the head is lost.
					for seen := ""; !strings.HasSuffix(seen, "\r\n\r\n"); {
						b := make([]byte, 1)
						if _, err := c.Read(b); err != nil {
							return
						}
						seen += string(b)
					}
				}
				io.WriteString(c, tt.answer)
				if errors.Is(tt.err, io.EOF) || errors.Is(tt.err, io.ErrUnexpectedEOF) {
					c.(*net.TCPConn).CloseWrite()
				}
				p, _ := io.ReadAll(c)
				rest <- string(p)
			})
			scheme := tt.scheme
			if scheme == "" {
				scheme = "http://"
			}
			c, err := websocket.Dial(within(t), "ws://target.invalid/secret", &websocket.DialOptions{Proxy: proxyURL(scheme + addr)})
			if c != nil {
				c.CloseNow()
				t.Fatal("connected")
			}
			de, ok := errors.AsType[*websocket.DialError](err)
			if !ok || de.Step != websocket.StepProxy || de.Addr != addr || de.Status != tt.status {
				t.Fatalf("error %v, want a DialError with status %d", err, tt.status)
			}
			if tt.status != 0 && de.Header.Get("Proxy-Authenticate") != "Basic" {
				t.Errorf("header %v", de.Header)
			}
			if tt.err != nil && !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want %v, %q", err, tt.err, tt.text)
			}
			if got := <-rest; strings.Contains(got, "GET") || strings.Contains(got, "secret") {
				t.Errorf("sent to the server through the proxy: %q", got)
			}
		})
	}
}

// A wrong password, and none at all.
func TestDialProxyPassword(t *testing.T) {
	targets := make(chan string, 1)
	for _, proxy := range []string{
		"http://u:x@" + rawServer(t, connectProxy("u:p", targets)),
		"http://" + rawServer(t, connectProxy("u:p", targets)),
		"socks5://u:x@" + rawServer(t, socksProxy("u:p", targets)),
		"socks5://" + rawServer(t, socksProxy("u:p", targets)),
	} {
		_, err := websocket.Dial(within(t), "ws://target.invalid/", &websocket.DialOptions{Proxy: proxyURL(proxy)})
		if de, ok := errors.AsType[*websocket.DialError](err); !ok || de.Step != websocket.StepProxy || strings.Contains(err.Error(), "u:x") {
			t.Errorf("%s: %v", proxy, err)
		}
	}
}

// The default proxies are those of the environment: HTTP_PROXY for ws,
// HTTPS_PROXY for wss. net/http reads it once, so this runs in a process of its
// own.
func TestDialProxyFromEnvironment(t *testing.T) {
	if to := os.Getenv("LARIAT_TEST_DIAL"); to != "" {
		_, err := websocket.Dial(within(t), to, nil)
		de, ok := errors.AsType[*websocket.DialError](err)
		if !ok || de.Status != 407 {
			t.Fatalf("error %v, want status 407", err)
		}
		return
	}
	addr := requestServer(t, func(r *http.Request) string {
		if r.Method != "CONNECT" {
			return "HTTP/1.1 405 x\r\n\r\n"
		}
		return "HTTP/1.1 407 x\r\nContent-Length: 0\r\n\r\n"
	})
	for to, name := range map[string]string{"ws://target.invalid": "HTTP_PROXY", "wss://target.invalid": "HTTPS_PROXY"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestDialProxyFromEnvironment$")
		cmd.Env = []string{"LARIAT_TEST_DIAL=" + to, name + "=http://" + addr, "PATH=" + os.Getenv("PATH")}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}
