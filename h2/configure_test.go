package h2_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
)

// S2.8: ConfigureServer changes the server it is given, and nothing else.
func TestConfigureServer(t *testing.T) {
	for _, c := range []struct {
		have, want []string
	}{
		{nil, []string{"h2", "http/1.1"}},
		{[]string{"http/1.1"}, []string{"h2", "http/1.1"}},
		{[]string{"foo", "http/1.1"}, []string{"foo", "h2", "http/1.1"}},
		{[]string{"http/1.1", "h2"}, []string{"http/1.1", "h2"}},
		{[]string{"foo"}, []string{"foo", "h2", "http/1.1"}},
	} {
		shared := slices.Clone(c.have)
		others := map[string]func(*http.Server, *tls.Conn, http.Handler){"foo": nil}
		srv := &http.Server{TLSConfig: &tls.Config{NextProtos: c.have}, TLSNextProto: others}
		if err := h2.ConfigureServer(srv, nil); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(srv.TLSConfig.NextProtos, c.want) {
			t.Errorf("%q becomes %q, want %q", c.have, srv.TLSConfig.NextProtos, c.want)
		}
		if !slices.Equal(c.have, shared) || len(others) != 1 {
			t.Errorf("what may be shared has changed: %q, %v", c.have, others)
		}
		if err := h2.ConfigureServer(srv, nil); !errors.Is(err, h2.ErrConfigured) {
			t.Errorf("second call: %v", err)
		}
	}
	var srv http.Server
	if err := h2.ConfigureServer(&srv, nil); err != nil || srv.TLSConfig == nil {
		t.Errorf("no TLSConfig: %v", err)
	}
}

// What can't be used is refused before anything happens.
func TestOptionErrors(t *testing.T) {
	over := int64(math.MaxInt32) + 1 // where an int holds it; else it is negative, which is no size either
	for _, c := range []struct {
		field string
		srv   *http.Server
		o     h2.Options
	}{
		{field: "srv"},
		{field: "MaxStreams", o: h2.Options{MaxStreams: -1}},
		{field: "StreamWindow", o: h2.Options{StreamWindow: 1023}},
		{field: "StreamWindow", o: h2.Options{StreamWindow: int(over)}},
		{field: "ConnWindow", o: h2.Options{ConnWindow: 65534}},
		{field: "MaxFrameSize", o: h2.Options{MaxFrameSize: 16383}},
		{field: "MaxFrameSize", o: h2.Options{MaxFrameSize: 1 << 24}},
		{field: "MaxHeaderBytes", o: h2.Options{MaxHeaderBytes: 1}},
		{field: "MaxControls", o: h2.Options{MaxControls: -1}},
		{field: "TLSConfig.CipherSuites", srv: &http.Server{TLSConfig: &tls.Config{CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}}},
	} {
		srv := c.srv
		if srv == nil && c.field != "srv" {
			srv = new(http.Server)
		}
		var oe *websocket.OptionError
		if err := h2.ConfigureServer(srv, &c.o); !errors.As(err, &oe) || oe.Field != c.field {
			t.Errorf("%s: %v", c.field, err)
		}
		if srv != nil && (srv.TLSNextProto != nil || srv.TLSConfig != nil && srv.TLSConfig.NextProtos != nil) {
			t.Errorf("%s: the server was changed", c.field)
		}
	}
	for _, suites := range [][]uint16{nil, {tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}} {
		if err := h2.ConfigureServer(&http.Server{TLSConfig: &tls.Config{CipherSuites: suites}}, nil); err != nil {
			t.Errorf("%v: %v", suites, err)
		}
	}
	if err := h2.ConfigureServer(&http.Server{TLSConfig: &tls.Config{CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}, MinVersion: tls.VersionTLS13}}, nil); err != nil {
		t.Error(err)
	}
}

// The settings that are announced: options, then those of the server.
func TestSettings(t *testing.T) {
	theirs := &http.HTTP2Config{MaxConcurrentStreams: 7, MaxReceiveBufferPerStream: 1 << 17, MaxReadFrameSize: 1 << 15}
	for _, c := range []struct {
		name   string
		o      *h2.Options
		server *http.HTTP2Config
		want   map[http2.SettingID]uint32
	}{
		{"defaults", nil, nil, map[http2.SettingID]uint32{http2.SettingMaxConcurrentStreams: 100, http2.SettingMaxHeaderListSize: 32 << 10, http2.SettingEnableConnectProtocol: 1}},
		{"HTTP2", nil, theirs, map[http2.SettingID]uint32{http2.SettingMaxConcurrentStreams: 7, http2.SettingInitialWindowSize: 1 << 17, http2.SettingMaxFrameSize: 1 << 15}},
		{"options", &h2.Options{MaxStreams: 8, StreamWindow: 1 << 18, MaxFrameSize: 1 << 16}, theirs, map[http2.SettingID]uint32{http2.SettingMaxConcurrentStreams: 8, http2.SettingInitialWindowSize: 1 << 18, http2.SettingMaxFrameSize: 1 << 16}},
		{"HTTP2 out of range", nil, &http.HTTP2Config{MaxConcurrentStreams: -1, MaxReadFrameSize: 1}, map[http2.SettingID]uint32{http2.SettingMaxConcurrentStreams: 100}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, setup{transport: "h2c", options: c.o, server: func(s *http.Server) { s.HTTP2 = c.server }}, echo)
			raw := h.raw(t)
			for id, want := range c.want {
				if got := raw.first[id]; got != want {
					t.Errorf("%v is %d, want %d", id, got, want)
				}
			}
		})
	}
}

// The next stream beyond MaxStreams is refused. H2-S11
func TestMaxStreams(t *testing.T) {
	release := make(chan struct{})
	h := start(t, setup{transport: "h2c", options: &h2.Options{MaxStreams: 2}}, func(http.ResponseWriter, *http.Request) { <-release })
	c := h.raw(t)
	for _, id := range []uint32{1, 3, 5} {
		c.request(id, true, "GET", "/")
	}
	c.want("RST_STREAM 5 REFUSED_STREAM")
	c.must(c.fr.WriteRSTStream(1, http2.ErrCodeCancel)) // its handler runs on
	c.request(7, true, "GET", "/")
	c.want("RST_STREAM 7 REFUSED_STREAM")
	close(release)
}

// One port speaks HTTP/1.1 and HTTP/2, with and without TLS.
func TestBothVersions(t *testing.T) {
	for _, transport := range []string{"http", "https"} {
		t.Run(transport, func(t *testing.T) {
			h := &host{}
			plain := "h2c"
			if transport == "https" {
				plain = "tls"
			}
			both := new(http.Protocols)
			both.SetHTTP1(true)
			both.SetHTTP2(true)
			both.SetUnencryptedHTTP2(true)
			h = startBoth(t, plain, both)
			if a := h.get(t, "/"); a.body != "HTTP/2.0" {
				t.Errorf("%+v", a)
			}
			one := new(http.Protocols)
			one.SetHTTP1(true)
			tr := h.Client.Transport.(*http.Transport).Clone()
			tr.Protocols = one
			tr.ForceAttemptHTTP2 = false
			tr.TLSNextProto = nil
			if tr.TLSClientConfig != nil {
				tr.TLSClientConfig.NextProtos = nil
			}
			defer tr.CloseIdleConnections()
			resp, err := (&http.Client{Transport: tr}).Get(h.url)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if body, _ := io.ReadAll(resp.Body); string(body) != "HTTP/1.1" {
				t.Errorf("%s", body)
			}
		})
	}
}

func startBoth(t *testing.T, transport string, p *http.Protocols) *host {
	return start(t, setup{transport: transport, server: func(s *http.Server) { s.Protocols = p }}, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Proto)
	})
}

// ListenAndServeTLS and the like make a listener of their own.
func TestServeTLS(t *testing.T) {
	certs := start(t, setup{transport: "tls"}, echo)
	srv := &http.Server{
		Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Proto) }),
		TLSConfig: &tls.Config{Certificates: certs.http.TLS.Certificates}, ErrorLog: log.New(io.Discard, "", 0),
	}
	if err := h2.ConfigureServer(srv, nil); err != nil {
		t.Fatal(err)
	}
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- srv.ServeTLS(l, "", "") }()
	resp, err := certs.Get("https://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if string(body) != "HTTP/2.0" {
		t.Errorf("%s", body)
	}
	srv.Close()
	if err := wait(t, served); !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}

// RFC 9113, section 9.2: TLS that is too weak for HTTP/2.
func TestInadequateSecurity(t *testing.T) {
	weak := tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA
	for _, c := range []struct {
		name   string
		server func(*http.Server)
		client *tls.Config
		ok     bool
	}{
		{name: "TLS 1.1", client: &tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}},
		{name: "CBC", client: &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{weak}}},
		{name: "CBC permitted", client: &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{weak}}, ok: true, server: func(s *http.Server) {
			s.HTTP2 = &http.HTTP2Config{PermitProhibitedCipherSuites: true}
		}},
		{name: "TLS 1.2", client: &tls.Config{MaxVersion: tls.VersionTLS12}, ok: true},
		{name: "TLS 1.3", client: new(tls.Config), ok: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, setup{transport: "tls", server: func(s *http.Server) {
				s.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS10}
				if c.server != nil {
					c.server(s)
				}
			}}, echo)
			c.client.InsecureSkipVerify, c.client.NextProtos = true, []string{"h2"}
			nc, err := tls.Dial("tcp", h.http.Listener.Addr().String(), c.client)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(patience))
			if c.ok {
				raw := newRaw(t, nc)
				raw.request(1, true, "GET", "/")
				raw.want("HEADERS 1 end [:status=200 content-length=0]")
				return
			}
			raw := &rawClient{t: t, nc: nc, fr: http2.NewFramer(nc, nc)}
			raw.want("GOAWAY 0 INADEQUATE_SECURITY", "closed")
		})
	}
}

// Trace sees frames of both directions.
func TestTrace(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	h := start(t, setup{transport: "h2c", options: &h2.Options{Trace: func(f h2.Frame) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprint(f.Sent, " ", f.Type, " ", f.Stream, " ", f.Length))
	}}}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })
	h.get(t, "/")
	mu.Lock()
	defer mu.Unlock()
	all := strings.Join(seen, "\n")
	for _, want := range []string{"true SETTINGS 0", "false SETTINGS 0", "false HEADERS 1", "true HEADERS 1", "true DATA 1 5"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}
