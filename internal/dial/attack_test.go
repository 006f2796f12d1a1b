package dial_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/dial"
	"github.com/lariat-go/websocket/internal/h1"
)

// H-C13: whatever a SOCKS5 proxy answers but a yes, and whatever user, password
// or name it is to be told: an error, and nothing for the server.
func TestAttackSOCKS(t *testing.T) {
	long := strings.Repeat("x", 256)
	for _, tt := range []struct {
		name   string
		user   *url.Userinfo
		host   string
		answer string
	}{
		{name: "SOCKS4", answer: "\x00\x5a\x00\x00\x00\x00\x00\x00"},
		{name: "no method is good enough", answer: "\x05\xff"},
		{name: "password refused", user: url.UserPassword("u", "p"), answer: "\x05\x02\x01\x01"},
		{name: "password in another version", user: url.UserPassword("u", "p"), answer: "\x05\x02\x05\x00"},
		{name: "GSSAPI", user: url.UserPassword("u", "p"), answer: "\x05\x01"},
		{name: "reply of version 4", answer: "\x05\x00\x04\x00\x00\x01\x00\x00\x00\x00\x00\x00"},
		{name: "reply with an unknown kind of address", answer: "\x05\x00\x05\x00\x00\x09\x00\x00\x00\x00\x00\x00"},
		{name: "reply with a code that does not exist", answer: "\x05\x00\x05\xee\x00\x01\x00\x00\x00\x00\x00\x00"},
		{name: "HTTP", answer: "HTTP/1.1 400 Bad Request\r\n\r\n"},
		{name: "long user", user: url.UserPassword(long, "p"), answer: "\x05\x02\x01\x00"},
		{name: "long password", user: url.UserPassword("u", long), answer: "\x05\x02\x01\x00"},
		{name: "long name", host: long, answer: "\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan string, 1)
			bad := &dial.Proxy{Scheme: "socks5", User: tt.user}
			bad.Host, bad.Port = serve(t, nil, func(c net.Conn) {
				io.WriteString(c, tt.answer)
				p, _ := io.ReadAll(c)
				got <- string(p)
			})
			to := &dial.Target{Host: "target.invalid", Port: "80", Proxies: []*dial.Proxy{bad}}
			if tt.host != "" {
				to.Host = tt.host
			}
			d := &dial.Dialer{ConnectTimeout: 5 * time.Second}
			l, err := d.Connect(within(t), to)
			if err == nil {
				l.Socket.Close()
			}
			if e, ok := errors.AsType[*dial.Error](err); !ok || e.Step != dial.StepProxy || e.Timeout() {
				t.Errorf("error %v", err)
			}
			if said := <-got; strings.Contains(said, "GET") {
				t.Errorf("the server was to be told %q", said)
			}
		})
	}
}

// Each proxy of a chain gets its own password and none of the others; a user and
// password cannot begin another line, and stand in no error.
func TestAttackCredentials(t *testing.T) {
	const evil = "a\r\nX-Evil: 1\r\n\r\nGET / HTTP/1.1"
	got := make(chan http.Header, 2)
	proxy := func(status string) *dial.Proxy {
		p := &dial.Proxy{Scheme: "http"}
		p.Host, p.Port = serve(t, nil, func(c net.Conn) {
			in := bufio.NewReader(c)
			for {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				got <- r.Header
				if io.WriteString(c, "HTTP/1.1 "+status+"\r\n\r\n"); status != "200 OK" {
					return
				}
				// It plays the next proxy as well.
				status = "407 No"
			}
		})
		return p
	}
	first, second := proxy("200 OK"), &dial.Proxy{Scheme: "http", Host: "second.invalid", Port: "3128"}
	first.User = url.UserPassword(evil, "s3cr3t-one\r\n")
	second.User = url.UserPassword("u", "s3cr3t-two")
	to := &dial.Target{Host: "target.invalid", Port: "80", Proxies: []*dial.Proxy{first, second}}
	_, err := (&dial.Dialer{}).Connect(within(t), to)
	if e, ok := errors.AsType[*dial.Error](err); !ok || e.Status != http.StatusProxyAuthRequired || strings.Contains(err.Error(), "s3cr3t") {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{evil + ":s3cr3t-one\r\n", "u:s3cr3t-two"} {
		h := <-got
		r := http.Request{Header: http.Header{"Authorization": h["Proxy-Authorization"]}}
		user, password, ok := r.BasicAuth()
		if !ok || user+":"+password != want || h.Get("X-Evil") != "" || len(h) != 1 {
			t.Errorf("a proxy got %v", h)
		}
	}
}

// What a proxy's Header may not have is found before anything is sent: what ends
// a line, and what makes a body of the bytes for the server.
func TestAttackProxyHeader(t *testing.T) {
	for _, h := range []http.Header{
		{"X": {"a\r\nb: c"}},
		{"X\r\nb": {"c"}},
		{"X:": {"c"}},
		{"Host": {"other"}},
		{"Content-Length": {"5"}},
		{"transfer-encoding": {"chunked"}},
		{"Proxy-Authorization": {"Basic x\r\nA: b"}},
	} {
		p := &dial.Proxy{Scheme: "http", Header: h}
		p.Host, p.Port = serve(t, nil, func(c net.Conn) {
			if p, _ := io.ReadAll(c); len(p) > 0 {
				t.Errorf("%v: the proxy got %q", h, p)
			}
		})
		_, err := (&dial.Dialer{}).Connect(within(t), &dial.Target{Host: "target.invalid", Port: "80", Proxies: []*dial.Proxy{p}})
		if e, ok := errors.AsType[*dial.Error](err); !ok || e.Step != dial.StepProxy || !errors.Is(err, h1.ErrField) {
			t.Errorf("%v: %v", h, err)
		}
	}
}

// A proxy, or a server, that says something now and then is given up in time: a
// step is as long as it may be, not each of its bytes.
func TestAttackSlowDrip(t *testing.T) {
	drip := func(text string) func(c net.Conn) {
		return func(c net.Conn) {
			t := time.NewTicker(10 * time.Millisecond)
			defer t.Stop()
			for i := 0; ; i++ {
				b := byte('x')
				if i < len(text) {
					b = text[i]
				}
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				<-t.C
			}
		}
	}
	server, client := authority(t)
	for _, tt := range []struct {
		name, scheme, text string
		config             *tls.Config
		step               dial.Step
	}{
		{name: "CONNECT", scheme: "http", text: "HTTP/1.1 200 OK\r\nX: ", step: dial.StepProxy},
		{name: "CONNECT over TLS", scheme: "https", text: "HTTP/1.1 200 OK\r\nX: ", config: server, step: dial.StepProxy},
		{name: "TLS", scheme: "https", text: "\x16\x03\x03\x40\x00\x02\x00\x3f\xf0\x03\x03", step: dial.StepTLS},
		{name: "SOCKS5", scheme: "socks5", text: "\x05\x00\x05\x00\x00\x03\xff", step: dial.StepProxy},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &dial.Proxy{Scheme: tt.scheme}
			p.Host, p.Port = serve(t, tt.config, drip(tt.text))
			d := &dial.Dialer{TLSConfig: client, ConnectTimeout: 200 * time.Millisecond, TLSHandshakeTimeout: 200 * time.Millisecond}
			start := time.Now()
			_, err := d.Connect(within(t), &dial.Target{Host: "target.invalid", Port: "80", Proxies: []*dial.Proxy{p}})
			e, ok := errors.AsType[*dial.Error](err)
			if !ok || e.Step != tt.step || !e.Timeout() || time.Since(start) > 5*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	}
}

// Steps that fail leave nothing open, in whatever way and however often.
func TestAttackManyFailures(t *testing.T) {
	_, client := authority(t)
	good := &dial.Proxy{Scheme: "http"}
	good.Host, good.Port = serve(t, nil, func(c net.Conn) {
		in := bufio.NewReader(c)
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			return
		}
		defer to.Close()
		io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			io.Copy(to, in)
			to.Close()
		}()
		io.Copy(c, to)
	})
	rude := &dial.Proxy{Scheme: "http"}
	rude.Host, rude.Port = serve(t, nil, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nrude") })
	silent := &dial.Proxy{Scheme: "https"}
	silent.Host, silent.Port = serve(t, nil, func(c net.Conn) { io.Copy(io.Discard, c) })
	d := &dial.Dialer{TLSConfig: client, ConnectTimeout: time.Second, TLSHandshakeTimeout: 5 * time.Millisecond}
	for i := range 60 {
		for _, p := range [][]*dial.Proxy{{rude}, {good, rude}, {silent}, {good, silent}} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*100*time.Microsecond)
			if l, err := d.Connect(ctx, &dial.Target{Host: "127.0.0.1", Port: "1", Secure: true, Proxies: p}); err == nil {
				l.Socket.Close()
				t.Fatal("connected")
			}
			cancel()
		}
	} // leakcheck does the rest
}
