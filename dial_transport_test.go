package websocket_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/rawserver"
)

// serveTLS is requestServer over TLS.
func serveTLS(t testing.TB, config *tls.Config, answer func(r *http.Request) string) (addr string) {
	t.Helper()
	return rawserver.Serve(t, tls.NewListener(rawserver.Listen(t), config), func(c net.Conn) {
		if r := readRequest(c); r != nil {
			io.WriteString(c, answer(r))
			io.Copy(io.Discard, c)
		}
	})
}

// S3.14
func TestDialTLS(t *testing.T) {
	server, client := certificate(t)
	addr := serveTLS(t, server, greeter)

	c, err := websocket.Dial(within(t), "wss://"+addr, &websocket.DialOptions{TLSConfig: client})
	mustGreet(t, c, err)

	// The certificate is also one for example.com, and not for example.org.
	named := client.Clone()
	named.ServerName = "example.com"
	c, err = websocket.Dial(within(t), "wss://"+addr, &websocket.DialOptions{TLSConfig: named})
	mustGreet(t, c, err)
	named.ServerName = "example.org"
	_, err = websocket.Dial(within(t), "wss://"+addr, &websocket.DialOptions{TLSConfig: named})
	if _, ok := errors.AsType[x509.HostnameError](err); !ok {
		t.Errorf("wrong name: %v", err)
	}

	// Without the right roots.
	_, err = websocket.Dial(within(t), "wss://"+addr, nil)
	if de, ok := errors.AsType[*websocket.DialError](err); !ok || de.Step != websocket.StepTLS || de.Addr != addr {
		t.Errorf("unknown authority: %v", err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); !ok {
		t.Errorf("unknown authority: %v", err)
	}
}

// The wrong one of ws and wss.
func TestDialWrongScheme(t *testing.T) {
	_, client := certificate(t)
	// Most TLS servers answer so what is no ClientHello: unexpected_message.
	addr := requestServer(t, func(*http.Request) string { return "\x15\x03\x01\x00\x02\x02\x0a" })
	_, err := websocket.Dial(within(t), "ws://"+addr, nil)
	if _, ok := errors.AsType[*websocket.HandshakeError](err); !ok || !strings.Contains(err.Error(), "use wss://") {
		t.Errorf("ws to a TLS server: %v", err)
	}
	addr = rawServer(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n") })
	_, err = websocket.Dial(within(t), "wss://"+addr, &websocket.DialOptions{TLSConfig: client})
	if de, ok := errors.AsType[*websocket.DialError](err); !ok || de.Step != websocket.StepTLS || !strings.Contains(err.Error(), "use ws://") {
		t.Errorf("wss to a plain server: %v", err)
	}
}

func TestDialConnectionRefused(t *testing.T) {
	l := rawserver.Listen(t)
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	for _, host := range []string{"127.0.0.1", "localhost"} {
		_, err := websocket.Dial(within(t), "ws://"+host+":"+port, nil)
		de, ok := errors.AsType[*websocket.DialError](err)
		if !ok || de.Step != websocket.StepConnect || de.Addr != host+":"+port || !errors.Is(err, syscall.ECONNREFUSED) || de.Timeout() {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// RFC 6761, section 6.4: names under .invalid do not exist.
func TestDialUnknownName(t *testing.T) {
	_, err := websocket.Dial(within(t), "ws://lariat.invalid/", &websocket.DialOptions{Proxy: proxyURL("")})
	de, ok := errors.AsType[*websocket.DialError](err)
	if _, dns := errors.AsType[*net.DNSError](err); !ok || !dns || de.Step != websocket.StepLookup || de.Addr != "lariat.invalid" {
		t.Errorf("error %v", err)
	}
}

// Ruling C12, S3.6
func TestDialLookupTimeout(t *testing.T) {
	_, err := websocket.Dial(within(t), "ws://lariat.invalid/", &websocket.DialOptions{Proxy: proxyURL(""), LookupTimeout: 1})
	de, ok := errors.AsType[*websocket.DialError](err)
	if !ok || !errors.Is(err, os.ErrDeadlineExceeded) || de.Step != websocket.StepLookup || !strings.Contains(err.Error(), "LookupTimeout") || !de.Timeout() {
		t.Errorf("error %v", err)
	}
}

// stalls are servers, as NetDial gives them, that stop at some step.
var stalls = []struct {
	name   string
	url    string
	proxy  string
	dial   func(ctx context.Context, t *testing.T) (net.Conn, error)
	step   websocket.Step // empty: the opening handshake
	option string
}{
	{
		name: "S3.4 connect", url: "ws://h/", step: websocket.StepConnect, option: "ConnectTimeout",
		dial: func(ctx context.Context, _ *testing.T) (net.Conn, error) {
			<-ctx.Done()
			return nil, errors.New("interrupted")
		},
	},
	{name: "S3.13 TLS", url: "wss://h/", step: websocket.StepTLS, option: "TLSHandshakeTimeout", dial: silent},
	{name: "H-C13 TLS with the proxy", url: "ws://h/", proxy: "https://p", step: websocket.StepTLS, option: "TLSHandshakeTimeout", dial: silent},
	{name: "H-C13 CONNECT", url: "ws://h/", proxy: "http://p", step: websocket.StepProxy, option: "ConnectTimeout", dial: silent},
	{name: "H-C13 SOCKS", url: "ws://h/", proxy: "socks5://p", step: websocket.StepProxy, option: "ConnectTimeout", dial: silent},
	{name: "H-C6 opening handshake", url: "ws://h/", option: "UpgradeTimeout", dial: silent},
	{name: "H-C6 endless head", url: "ws://h/", option: "UpgradeTimeout", dial: func(_ context.Context, t *testing.T) (net.Conn, error) {
		return peer(t, func(c net.Conn) {
			readRequest(c)
			io.WriteString(c, "HTTP/1.1 101 x\r\nX: ")
			for { // one byte each 250 ms
				time.Sleep(250 * time.Millisecond)
				if _, err := io.WriteString(c, "y"); err != nil {
					return
				}
			}
		}), nil
	}},
	{name: "request not read", url: "ws://h/", option: "UpgradeTimeout", dial: func(_ context.Context, t *testing.T) (net.Conn, error) {
		return peer(t, block), nil
	}},
}

// silent is a server that reads and says nothing.
func silent(_ context.Context, t *testing.T) (net.Conn, error) {
	return peer(t, func(c net.Conn) { io.Copy(io.Discard, c) }), nil
}

// block reads nothing until the other end is closed, which reads nothing either.
func block(c net.Conn) { io.WriteString(c, "x") }

// peer runs the other end of a connection. The test ends after it.
func peer(t *testing.T, run func(c net.Conn)) net.Conn {
	ours, theirs := net.Pipe()
	var wg sync.WaitGroup
	wg.Go(func() {
		defer theirs.Close()
		run(theirs)
	})
	t.Cleanup(wg.Wait)
	return ours
}

// Ruling C12: each step has 10 s of its own, and says so.
func TestDialTimeouts(t *testing.T) {
	for _, tt := range stalls {
		for _, limit := range []time.Duration{0, 3 * time.Second} {
			t.Run(tt.name+"/"+limit.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					start := time.Now()
					_, err := websocket.Dial(t.Context(), tt.url, &websocket.DialOptions{
						Proxy:               proxyURL(tt.proxy),
						NetDial:             func(ctx context.Context, _, _ string) (net.Conn, error) { return tt.dial(ctx, t) },
						ConnectTimeout:      limit,
						TLSHandshakeTimeout: limit,
						UpgradeTimeout:      limit,
					})
					want := limit
					if want == 0 {
						want = 10 * time.Second
					}
					if took := time.Since(start); took != want {
						t.Errorf("took %v, want %v", took, want)
					}
					if !errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), tt.option) {
						t.Errorf("error %v", err)
					}
					checkStep(t, err, tt.step)
				})
			})
		}
	}
}

// S0.16, S1.9: the context bounds each step, and is found in the error.
func TestDialContext(t *testing.T) {
	cause := errors.New("enough")
	for _, tt := range stalls {
		for how, newContext := range map[string]func() (context.Context, context.CancelFunc){
			"deadline": func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(context.Background(), time.Second)
			},
			"cancel": func() (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(context.Background())
				time.AfterFunc(time.Second, cancel)
				return ctx, cancel
			},
			"cause": func() (context.Context, context.CancelFunc) {
				return context.WithTimeoutCause(context.Background(), time.Second, cause)
			},
		} {
			t.Run(tt.name+"/"+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := newContext()
					defer cancel()
					start := time.Now()
					_, err := websocket.Dial(ctx, tt.url, &websocket.DialOptions{
						Proxy:               proxyURL(tt.proxy),
						NetDial:             func(ctx context.Context, _, _ string) (net.Conn, error) { return tt.dial(ctx, t) },
						ConnectTimeout:      -1,
						TLSHandshakeTimeout: -1,
						UpgradeTimeout:      -1,
					})
					if took := time.Since(start); took != time.Second {
						t.Errorf("took %v", took)
					}
					if !errors.Is(err, ctx.Err()) || !errors.Is(err, context.Cause(ctx)) || errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("error %v", err)
					}
					checkStep(t, err, tt.step)
				})
			})
		}
	}
}

func checkStep(t *testing.T, err error, step websocket.Step) {
	t.Helper()
	if step == "" {
		if he, ok := errors.AsType[*websocket.HandshakeError](err); !ok || he.Status != 0 {
			t.Errorf("error %v, want a HandshakeError", err)
		}
		return
	}
	if de, ok := errors.AsType[*websocket.DialError](err); !ok || de.Step != step {
		t.Errorf("error %v, want a DialError at %s", err, step)
	}
}

// A context that has ended already, over real sockets too.
func TestDialContextEnded(t *testing.T) {
	addr := requestServer(t, greeter)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, u := range []string{"ws://" + addr, "ws://localhost:1", "ws://lariat.invalid"} {
		if _, err := websocket.Dial(ctx, u, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", u, err)
		}
	}
}

// The context and UpgradeTimeout are for the opening alone.
func TestDialContextEndsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		c, err := websocket.Dial(ctx, "ws://h/", &websocket.DialOptions{
			Proxy: proxyURL(""),
			NetDial: func(context.Context, string, string) (net.Conn, error) {
				return peer(t, func(c net.Conn) {
					if r := readRequest(c); r != nil {
						io.WriteString(c, switching(r, ""))
						time.Sleep(time.Minute)
						io.WriteString(c, greeting)
						io.Copy(io.Discard, c)
					}
				}), nil
			},
		})
		cancel()
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if _, p, err := c.Read(t.Context()); err != nil || string(p) != "hi" {
			t.Errorf("read %q, %v", p, err)
		}
	})
}

// A refusal whose body does not come is not waited for.
func TestDialSlowRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := websocket.Dial(t.Context(), "ws://h/", &websocket.DialOptions{
			Proxy: proxyURL(""),
			NetDial: func(context.Context, string, string) (net.Conn, error) {
				return peer(t, func(c net.Conn) {
					readRequest(c)
					io.WriteString(c, "HTTP/1.1 503 x\r\nContent-Length: 10\r\n\r\nsorr")
					io.Copy(io.Discard, c)
				}), nil
			},
		})
		he, ok := errors.AsType[*websocket.HandshakeError](err)
		if !ok || he.Status != 503 || string(he.Body) != "sorr" || !errors.Is(err, handshake.ErrStatus) {
			t.Errorf("error %v", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// S3.12: WriteTimeout is 15 s after Dial.
func TestDialWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := websocket.Dial(t.Context(), "ws://h/", &websocket.DialOptions{
			Proxy: proxyURL(""),
			NetDial: func(context.Context, string, string) (net.Conn, error) {
				return peer(t, func(c net.Conn) {
					if r := readRequest(c); r != nil {
						io.WriteString(c, switching(r, ""))
						block(c)
					}
				}), nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		start := time.Now()
		if err := c.Write(t.Context(), websocket.MessageText, []byte("x")); err == nil {
			t.Fatal("nobody reads and the write succeeds")
		}
		if took := time.Since(start); took != 15*time.Second {
			t.Errorf("took %v, want 15s", took)
		}
	})
}
