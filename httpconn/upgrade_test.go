package httpconn_test

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/protocol"
)

// shake returns the client's half of an opening handshake.
func shake(t testing.TB, u string, o *handshake.ClientOptions) *handshake.Client {
	t.Helper()
	parsed := must(url.Parse(u))(t)
	return must(handshake.NewClient(parsed, o))(t)
}

// upgrade1 returns a connection of HTTP/1.1 whose opening handshake has left,
// and the answer that accepts it.
func upgrade1(t testing.TB, o *handshake.ClientOptions) (c *httpconn.Conn, hs *handshake.Client, answer string) {
	t.Helper()
	c = open(t, &httpconn.Options{Authority: "example.com"})
	hs = shake(t, "ws://example.com/chat", o)
	r := hs.Request(1)
	if id := must(c.Upgrade(r))(t); id != 1 {
		t.Fatalf("stream %d", id)
	}
	c.Output()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return c, hs, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
}

// S2.4, S2.31: GET with a header over HTTP/1.1, extended CONNECT over HTTP/2; one
// call for both. Cookies may be added.
func TestUpgradeRequest(t *testing.T) {
	c := open(t, nil)
	r := shake(t, "ws://example.com:81/chat?x", &handshake.ClientOptions{Key: "dGhlIHNhbXBsZSBub25jZQ=="}).Request(1)
	r.Header.Add("Cookie", "a=b")
	id := must(c.Upgrade(r))(t)
	want := "GET /chat?x HTTP/1.1\r\nHost: example.com:81\r\nConnection: Upgrade\r\nCookie: a=b\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n\r\n"
	if out := c.Output(); string(out) != want {
		t.Errorf("sent %q, want %q", out, want)
	}
	if _, err := c.Body(id, []byte("early")); err != httpconn.ErrStream {
		t.Errorf("Body before the answer: %v", err)
	}

	p := http2Conn(t, httpconn.Options{Secure: true})
	r = shake(t, "wss://example.com/chat", nil).Request(2)
	id = must(p.c.Upgrade(r))(t)
	p.wantSent("HEADERS 1 :method=CONNECT :scheme=https :authority=example.com :path=/chat :protocol=websocket sec-websocket-version=13")
	if _, err := p.c.Body(id, []byte("early")); err != httpconn.ErrStream {
		t.Errorf("Body before the answer: %v", err)
	}
}

// S2.13: the scheme must match the transport. S2.9: and the version.
func TestUpgradeRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		o    httpconn.Options
		u    string
		r    func(r *handshake.Request)
		make int
		want error
	}{
		"S2.13 wss without TLS": {u: "wss://example.com/", make: 1, want: httpconn.ErrScheme},
		"S2.13 ws with TLS":     {o: httpconn.Options{Secure: true}, u: "ws://example.com/", make: 1, want: httpconn.ErrScheme},
		"S2.13 over HTTP/2":     {o: httpconn.Options{Major: 2, Secure: true}, u: "ws://example.com/", make: 2, want: httpconn.ErrScheme},
		"S2.9 for HTTP/2":       {u: "ws://example.com/", make: 2, want: httpconn.ErrRequest},
		"S2.9 for HTTP/1.1":     {o: httpconn.Options{Major: 2}, u: "ws://example.com/", make: 1, want: httpconn.ErrRequest},
		"another method":        {u: "ws://example.com/", make: 1, r: func(r *handshake.Request) { r.Method = "POST" }, want: httpconn.ErrRequest},
		"no protocol":           {o: httpconn.Options{Major: 2}, u: "ws://example.com/", make: 2, r: func(r *handshake.Request) { r.Protocol = "" }, want: httpconn.ErrRequest},
		"injection":             {u: "ws://example.com/", make: 1, r: func(r *handshake.Request) { r.Header.Set("Cookie", "a\r\nX: y") }, want: httpconn.ErrRequest},
		"injection over HTTP/2": {o: httpconn.Options{Major: 2}, u: "ws://example.com/", make: 2, r: func(r *handshake.Request) { r.Header.Set("Cookie", "a\nb") }, want: httpconn.ErrRequest},
		"a length":              {u: "ws://example.com/", make: 1, r: func(r *handshake.Request) { r.Header.Set("Content-Length", "5") }, want: httpconn.ErrRequest},
	} {
		var c *httpconn.Conn
		if tt.o.Major == 2 {
			c = http2Conn(t, tt.o).c
		} else {
			c = open(t, &tt.o)
		}
		r := shake(t, tt.u, nil).Request(tt.make)
		if tt.r != nil {
			tt.r(r)
		}
		if id, err := c.Upgrade(r); id != 0 || !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), "websocket: ") {
			t.Errorf("%s: %d, %v", name, id, err)
		}
		if out := c.Output(); out != nil || c.OpenRequests() != 0 || !c.IsOpen() {
			t.Errorf("%s: sent %q", name, out)
		}
	}
}

// S2.10: a server without extended CONNECT. Before its SETTINGS came nobody
// knows.
func TestExtendedConnectDisabled(t *testing.T) {
	p := newPeer(t, httpconn.Options{})
	p.c.Output()
	r := shake(t, "ws://example.com/", nil).Request(2)
	if _, err := p.c.Upgrade(r); err != httpconn.ErrNotReady {
		t.Errorf("S2.10 before the SETTINGS: %v", err)
	}
	p.fr.WriteSettings()
	p.want("Ready")
	if _, err := p.c.Upgrade(r); err != handshake.ErrExtendedConnectDisabled {
		t.Errorf("S2.10: %v", err)
	}
	p.sent()
	p.request(httpconn.Request{}) // which is of use for requests all the same
	p.fr.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
	p.want("Ready")
	if _, err := p.c.Upgrade(r); err != nil {
		t.Errorf("S2.10 with the setting: %v", err)
	}
}

// hello is a text message of the server.
const hello = "\x81\x05Hello"

// S2.5 to S2.7, H-C7: the answer becomes an Endpoint; what is in the same packet
// is not lost, however it is cut; then HTTP is over on the connection (S0.17,
// S1.10).
func TestHTTP1Upgraded(t *testing.T) {
	_, _, answer := upgrade1(t, &handshake.ClientOptions{Key: "dGhlIHNhbXBsZSBub25jZQ=="})
	answer += "X: y\r\n\r\n" + hello
	for how, pieces := range cuts("HTTP/1.1 103 x\r\n\r\n" + answer) {
		c, hs, _ := upgrade1(t, &handshake.ClientOptions{Key: "dGhlIHNhbXBsZSBub25jZQ=="})
		var ep *protocol.Endpoint
		var messages []string
		for _, piece := range pieces {
			evs, err := c.Receive(piece)
			if err != nil {
				t.Fatalf("%s: %v", how, err)
			}
			for _, ev := range evs {
				switch ev.Kind {
				case httpconn.Interim:
				case httpconn.Upgraded:
					var res *handshake.Result
					ep, res, err = c.Accepted(ev.ID, hs, nil)
					if err != nil || res.Header.Get("X") != "y" || ev.Status != 101 {
						t.Fatalf("%s: %v, %v", how, res, err)
					}
				case httpconn.Data:
					got, err := ep.Receive(ev.Data)
					if err != nil {
						t.Fatalf("%s: %v", how, err)
					}
					for _, m := range got {
						messages = append(messages, string(m.Data))
					}
				default:
					t.Fatalf("%s: %v", how, ev)
				}
			}
		}
		if !slices.Equal(messages, []string{"Hello"}) {
			t.Fatalf("%s: messages %q", how, messages)
		}
		if _, _, err := c.Accepted(1, hs, nil); err != httpconn.ErrNotUpgraded {
			t.Fatalf("accepted twice: %v", err)
		}
		for _, err := range []error{second(c.Request(&httpconn.Request{Path: "/"})), second(c.Upgrade(hs.Request(1)))} {
			if err != httpconn.ErrUpgraded {
				t.Fatalf("S0.17, S1.10: a request after the upgrade: %v", err)
			}
		}
		if c.IsOpen() || c.OpenRequests() != 1 || c.Finished() {
			t.Fatal("S0.17: open for requests")
		}
		// S2.6: what the endpoint says goes through Body as it is.
		if err := ep.Send(frame.OpText, []byte("x")); err != nil {
			t.Fatal(err)
		}
		out := ep.Output()
		if n, err := c.Body(1, out); n != len(out) || err != nil || string(c.Output()) != string(out) {
			t.Fatalf("%s: %d, %v", how, n, err)
		}
		if err := c.End(1, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Body(1, out); err != httpconn.ErrStream {
			t.Fatalf("Body after End: %v", err)
		}
		evs, err := c.ReceiveEOF()
		if len(evs) != 1 || evs[0].Kind != httpconn.Done || err != nil {
			t.Fatalf("at the end: %v, %v", evs, err)
		}
		over(t, c, httpconn.ErrClosed)
		ep.Release()
	}
}

func second[T any](_ T, err error) error { return err }

// H-C2, H-C4, H-C5, H-C8: an answer of 101 that accepts nothing. The connection
// is of no more use.
func TestHTTP1BadAnswer(t *testing.T) {
	pmd := deflate.New(nil)
	o := &handshake.ClientOptions{Subprotocols: []string{"chat"}, Extensions: []extension.Extension{pmd}}
	for name, tt := range map[string]struct {
		change func(answer string) string
		want   error
	}{
		"H-C2 no Upgrade":         {func(s string) string { return strings.Replace(s, "Upgrade: websocket\r\n", "", 1) }, handshake.ErrNotUpgrade},
		"H-C2 other Upgrade":      {func(s string) string { return strings.Replace(s, "Upgrade: websocket", "Upgrade: h2c", 1) }, handshake.ErrNotUpgrade},
		"H-C2 no Connection":      {func(s string) string { return strings.Replace(s, "Connection: Upgrade\r\n", "", 1) }, handshake.ErrNotUpgrade},
		"H-C2 wrong Accept":       {func(s string) string { return strings.Replace(s, "Accept: ", "Accept: x", 1) }, handshake.ErrAccept},
		"H-C2 two Accepts":        {func(s string) string { return s + "Sec-WebSocket-Accept: x\r\n" }, handshake.ErrAccept},
		"H-C4 other sub-protocol": {func(s string) string { return s + "Sec-WebSocket-Protocol: Chat\r\n" }, handshake.ErrSubprotocol},
		"H-C4 none":               {func(s string) string { return s }, handshake.ErrSubprotocol},
		"H-C5 not asked": {func(s string) string {
			return s + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: x\r\n"
		}, handshake.ErrExtensions},
		"H-C8 window bits": {func(s string) string {
			return s + "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=7\r\n"
		}, handshake.ErrExtensions},
	} {
		c, hs, answer := upgrade1(t, o)
		got, err := feed(t, c, []byte(tt.change(answer)+"\r\n"))
		if err != nil || len(got) != 1 || !strings.HasPrefix(got[0], "Upgraded 1 101") {
			t.Fatalf("%s: %q, %v", name, got, err)
		}
		ep, res, err := c.Accepted(1, hs, nil)
		he, ok := errors.AsType[*handshake.Error](err)
		if ep != nil || res != nil || !ok || he.Status != 101 || !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		over(t, c, httpconn.ErrClosed)
	}
}

// S0.15: 101 over HTTP/1.0, and other versions.
func TestHTTP1WrongVersion(t *testing.T) {
	for _, head := range []string{"HTTP/1.0 101 x\r\nUpgrade: websocket\r\n\r\n", "HTTP/2.0 101 x\r\n\r\n"} {
		for how, pieces := range cuts(head) {
			c, _, _ := upgrade1(t, nil)
			got, err := feed(t, c, pieces...)
			if !errors.Is(err, handshake.ErrHTTPVersion) || len(got) != 1 || !strings.HasPrefix(got[0], "Failed 1: ") {
				t.Fatalf("%s: %q, %v", how, got, err)
			}
			over(t, c, err)
		}
	}
}

// A refusal is a response like any other, whose connection goes on; Accepted
// makes an error of it.
func TestHTTP1UpgradeDenied(t *testing.T) {
	for how, pieces := range cuts("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno") {
		c, hs, _ := upgrade1(t, nil)
		var all []string
		for _, piece := range pieces {
			evs, err := c.Receive(piece)
			if err != nil {
				t.Fatal(err)
			}
			for _, ev := range evs {
				all = append(all, line(ev))
				if ev.Kind != httpconn.Status {
					continue
				}
				_, _, err := c.Accepted(ev.ID, hs, nil)
				he, ok := errors.AsType[*handshake.Error](err)
				if !ok || he.Status != 403 || !errors.Is(err, handshake.ErrStatus) {
					t.Fatalf("%s: %v", how, err)
				}
			}
		}
		if all[0] != "Status 1 403 Content-Length=2" || all[len(all)-1] != "Done 1" {
			t.Fatalf("%s: %q", how, all)
		}
		if !c.IsOpen() || c.OpenRequests() != 0 {
			t.Fatal("the connection is of no more use")
		}
		must(c.Request(&httpconn.Request{Path: "/"}))(t)
		c.Output()
		if got, err := feed(t, c, []byte(ok)); len(got) != 3 || err != nil {
			t.Fatalf("%q, %v", got, err)
		}
		if _, _, err := c.Accepted(1, hs, nil); err != httpconn.ErrNotUpgraded {
			t.Fatalf("accepted after all: %v", err)
		}
		if _, _, err := c.Accepted(2, hs, nil); err != httpconn.ErrNotUpgraded {
			t.Fatalf("a request accepted: %v", err)
		}
	}
}

// S2.11, S2.29: a WebSocket takes one stream, and requests go on beside it.
func TestHTTP2Upgraded(t *testing.T) {
	p := http2Conn(t, httpconn.Options{})
	hs := shake(t, "ws://example.com/", nil)
	id := must(p.c.Upgrade(hs.Request(2)))(t)
	p.sent()
	other := p.request(httpconn.Request{})
	if _, _, err := p.c.Accepted(id, hs, nil); err != httpconn.ErrNotUpgraded {
		t.Fatalf("accepted before the answer: %v", err)
	}
	p.status(id, false, 200, "x", "y")
	p.data(id, false, hello[:3])
	p.status(other, false, 200)
	p.data(id, false, hello[3:])
	p.data(other, true, "body")
	evs, err := p.c.Receive([]byte(p.take()))
	if err != nil || len(evs) != 6 || evs[0].Kind != httpconn.Upgraded || evs[0].Status != 200 {
		t.Fatalf("%v, %v", evs, err)
	}
	ep, res, err := p.c.Accepted(id, hs, &protocol.Options{MaxMessageSize: 5})
	if err != nil || res.HTTPVersion != 2 || res.Header.Get("X") != "y" {
		t.Fatalf("%v, %v", res, err)
	}
	defer ep.Release()
	var messages []string
	for _, ev := range evs {
		if ev.Kind == httpconn.Data && ev.ID == id {
			got, err := ep.Receive(ev.Data)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range got {
				messages = append(messages, string(m.Data))
			}
		}
	}
	if !slices.Equal(messages, []string{"Hello"}) || evs[5].Kind != httpconn.Done || evs[5].ID != other {
		t.Fatalf("%q, %v", messages, evs)
	}
	p.request(httpconn.Request{}) // S2.11
	// The close frame, END_STREAM, and the server's.
	ep.Close(frame.StatusNormalClosure, "")
	if n, err := p.c.Body(id, ep.Output()); n != 8 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	// S2.30: END_STREAM; trailers mean nothing here.
	if err := p.c.End(id, http.Header{"X": {"y"}}); err != nil {
		t.Fatal(err)
	}
	if got := p.sent(); len(got) != 2 || got[1] != `DATA 1 "" end` {
		t.Fatalf("sent %q", got)
	}
	if n := p.c.OpenRequests(); n != 2 {
		t.Fatalf("%d under way", n)
	}
	p.data(id, false, "\x88\x02\x03\xe8")
	p.head(id, true, "x", "trailers mean nothing")
	p.want(`Data 1 "\x88\x02\x03\xe8"`, "Done 1")
	if n := p.c.OpenRequests(); n != 1 || !p.c.IsOpen() {
		t.Fatalf("%d under way", n)
	}
}

// The server's direction may end first: ours goes on until End. What it resets
// after that is told by Body.
func TestHTTP2HalfClosed(t *testing.T) {
	for _, end := range []bool{true, false} {
		p := http2Conn(t, httpconn.Options{})
		hs := shake(t, "ws://example.com/", nil)
		id := must(p.c.Upgrade(hs.Request(2)))(t)
		p.status(id, true, 200)
		p.want("Upgraded 1 200 end", "Done 1")
		ep, _, err := p.c.Accepted(id, hs, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer ep.Release()
		must(p.c.Body(id, []byte("x")))(t)
		if end {
			err = p.c.End(id, nil)
		} else {
			p.reset(id, http2.ErrCodeCancel)
			p.want()
		}
		if _, err2 := p.c.Body(id, []byte("x")); err != nil || err2 != httpconn.ErrStream || p.c.OpenRequests() != 0 {
			t.Errorf("%v, %v, %d under way", err, err2, p.c.OpenRequests())
		}
	}
}

// H-C7 over HTTP/2: what comes in the packet that ends the stream is not lost,
// and the answer can be accepted.
func TestHTTP2AllAtOnce(t *testing.T) {
	p := http2Conn(t, httpconn.Options{})
	hs := shake(t, "ws://example.com/", nil)
	id := must(p.c.Upgrade(hs.Request(2)))(t)
	p.sent()
	p.status(id, false, 200)
	p.data(id, false, hello)
	p.reset(id, http2.ErrCodeNo)
	p.want("Upgraded 1 200", `Data 1 "\x81\x05Hello"`, "Failed 1: NO_ERROR remote")
	ep, _, err := p.c.Accepted(id, hs, nil)
	if err != nil {
		t.Fatalf("H-C7: %v", err)
	}
	defer ep.Release()
	if got, err := ep.Receive([]byte(hello)); len(got) != 1 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	p.want()
	if _, _, err := p.c.Accepted(id, hs, nil); err != httpconn.ErrNotUpgraded {
		t.Errorf("later: %v", err)
	}
}

// A refusal over HTTP/2, and an answer that accepts nothing: one stream, no more.
func TestHTTP2UpgradeDenied(t *testing.T) {
	p := http2Conn(t, httpconn.Options{})
	hs := shake(t, "ws://example.com/", nil)
	id := must(p.c.Upgrade(hs.Request(2)))(t)
	p.sent()
	p.status(id, false, 501)
	p.data(id, true, "no")
	p.want("Status 1 501", `Data 1 "no"`, "Done 1")
	if _, _, err := p.c.Accepted(id, hs, nil); !errors.Is(err, handshake.ErrStatus) {
		t.Errorf("%v", err)
	}
	p.wantSent("RST_STREAM 1 CANCEL")
	for _, more := range []string{"", "and the end"} {
		id = must(p.c.Upgrade(hs.Request(2)))(t)
		p.sent()
		p.status(id, false, 200, "sec-websocket-protocol", "unasked")
		if more != "" {
			p.reset(id, http2.ErrCodeNo)
		}
		if _, err := feed(t, p.c, []byte(p.take())); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.c.Accepted(id, hs, nil); !errors.Is(err, handshake.ErrSubprotocol) {
			t.Errorf("H-C4: %v", err)
		}
		if got := p.sent(); more == "" && (len(got) != 1 || !strings.HasSuffix(got[0], "CANCEL")) || more != "" && len(got) != 0 {
			t.Errorf("sent %q", got)
		}
	}
	p.request(httpconn.Request{})
}

// S2.14, S2.26: the codec that was negotiated is the endpoint's, and what cannot
// be sent is refused before anything is.
func TestEndpoint(t *testing.T) {
	pmd := deflate.New(nil)
	c, hs, answer := upgrade1(t, &handshake.ClientOptions{Extensions: []extension.Extension{pmd}})
	got, err := feed(t, c, []byte(answer+"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n\r\n"))
	if len(got) != 1 || err != nil {
		t.Fatalf("%q, %v", got, err)
	}
	ep, res, err := c.Accepted(1, hs, nil)
	if err != nil || len(res.Extensions) != 1 {
		t.Fatalf("%v, %v", res, err)
	}
	defer ep.Release()
	evs, err := ep.Receive([]byte("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00")) // RFC 7692, section 7.2.3.1
	if err != nil || len(evs) != 1 || string(evs[0].Data) != "Hello" {
		t.Errorf("S2.14: %v, %v", evs, err)
	}
	if err := ep.Ping(make([]byte, 126)); !errors.Is(err, frame.ErrControlTooLong) {
		t.Errorf("S2.26: %v", err)
	}
	if err := ep.Send(frame.OpText, []byte("\xff")); !errors.Is(err, frame.ErrInvalidUTF8) {
		t.Errorf("S2.26: %v", err)
	}
	if out := ep.Output(); out != nil {
		t.Errorf("S2.26: sent %q", out)
	}
	// S2.3: pings are answered by the endpoint. S2.25: what came before an error
	// comes before it.
	evs, err = ep.Receive([]byte("\x89\x01p" + "\x01\x01a" + "\x83\x00"))
	if len(evs) != 1 || evs[0].Kind != protocol.EventPing || !errors.Is(err, frame.ErrReservedOpcode) {
		t.Errorf("S2.25: %v, %v", evs, err)
	}
	if out := ep.Output(); len(out) < 7 || out[0] != 0x8a {
		t.Errorf("S2.3: sent %q", out)
	}
}
