package websocket_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// S2.2, S2.4, S2.5, S2.6, S2.7, S2.14, S2.15, S2.17: a client without a process:
// the core alone, to which the test carries bytes, speaks with a server of ours.
// The request comes from handshake.Client.Request, the answer goes to Finish,
// and from its result the Endpoint is made, with the extension that was agreed.
func TestFeatureProcessless(t *testing.T) {
	x := deflate.New(&deflate.Options{Threshold: -1, ServerContextTakeover: true, ClientContextTakeover: true})
	addr := wstest.Server(t, wstest.Echo, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{
		Subprotocols: []string{"chat"}, Extensions: []extension.Extension{x},
	}})
	u, err := url.Parse(addr + "/echo")
	if err != nil {
		t.Fatal(err)
	}
	client, err := handshake.NewClient(u, &handshake.ClientOptions{Subprotocols: []string{"chat"}, Extensions: []extension.Extension{x}})
	if err != nil {
		t.Fatal(err)
	}
	host, port := client.HostPort()
	nc, err := net.Dial("tcp", net.JoinHostPort(host, port))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := nc.Write(client.Request(1).AppendHTTP1(nil)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(nc)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Finish(resp.StatusCode, resp.Header)
	if err != nil || res.HTTPVersion != 1 || res.Subprotocol != "chat" || res.Codec == nil {
		t.Fatalf("%+v, %v", res, err)
	}
	e := protocol.NewEndpoint(protocol.RoleClient, &protocol.Options{Codec: res.Codec})
	defer e.Release()
	defer res.Codec.Close()

	var got []string
	pump := func(until int) {
		t.Helper()
		buf := make([]byte, 100)
		for {
			if out := e.Output(); len(out) > 0 {
				if _, err := nc.Write(out); err != nil {
					t.Fatal(err)
				}
			}
			if len(got) >= until {
				return
			}
			n, err := r.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			events, err := e.Receive(buf[:n])
			if err != nil {
				t.Fatal(err)
			}
			for _, ev := range events {
				got = append(got, ev.Kind.String()+" "+string(ev.Data))
			}
		}
	}
	big := letters(5000)
	e.Send(frame.OpText, []byte("Hello"))
	e.Send(frame.OpBinary, []byte(big))
	e.SendFragment(frame.OpText, []byte("in two "), false)
	e.Ping([]byte("p"))
	e.SendFragment(frame.OpText, []byte("pieces"), true)
	pump(4)
	texts := map[string]int{}
	for _, s := range got {
		_, text, _ := bytes.Cut([]byte(s), []byte(" "))
		texts[string(text)]++
	}
	for _, want := range []string{"Hello", big, "p", "in two pieces"} {
		if texts[want] != 1 {
			t.Errorf("%.20q came %d times in %.100q", want, texts[want], got)
		}
	}
	// S2.22: the peer answers the close frame and closes its transport.
	if err := e.Close(websocket.StatusNormalClosure, "done"); err != nil {
		t.Fatal(err)
	}
	pump(5)
	if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
		t.Errorf("after the close frame: %q, %v", rest, err)
	}
	e.ReceiveEOF()
	ce := closeErrorOf(t, e.Err())
	if ce.Code != 1000 || !sameClose(ce.Sent, 1000, "done") || !sameClose(ce.Received, 1000, "") || ce.RemoteFirst || ce.Cause != nil {
		t.Errorf("ending %+v", ce)
	}
}

// S2.8, S2.9, S2.31: the one opening handshake gives a GET with Upgrade over
// HTTP/1.1 and an extended CONNECT over HTTP/2, and takes 101 of the one and any
// 2xx of the other.
func TestFeatureOneHandshake(t *testing.T) {
	u, _ := url.Parse("wss://example.com/chat?x=1")
	for _, tc := range []struct {
		major  int
		method string
		proto  string
		good   int
		bad    int
	}{{1, "GET", "", 101, 200}, {2, "CONNECT", "websocket", 200, 101}, {3, "CONNECT", "websocket", 204, 302}} {
		c, err := handshake.NewClient(u, nil)
		if err != nil {
			t.Fatal(err)
		}
		r := c.Request(tc.major)
		if r.Method != tc.method || r.Protocol != tc.proto || r.Scheme != "https" || r.Authority != "example.com" || r.Path != "/chat?x=1" || r.Header.Get("Sec-Websocket-Version") != "13" {
			t.Errorf("HTTP/%d: %+v", tc.major, r)
		}
		h := http.Header{}
		if tc.major == 1 {
			h = http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Accept": {acceptFor(r.Header.Get("Sec-Websocket-Key"))}}
		}
		if res, err := c.Finish(tc.good, h); err != nil || res.HTTPVersion != tc.major {
			t.Errorf("HTTP/%d: %+v, %v", tc.major, res, err)
		}
		if _, err := c.Finish(tc.bad, h); !errors.Is(err, handshake.ErrStatus) {
			t.Errorf("HTTP/%d: status %d gives %v", tc.major, tc.bad, err)
		}
	}
}

// S2.3: the halves of the core leave pings to their caller. S2.24: they are
// values with methods, which may be copied before their first use and then work
// apart from each other.
func TestFeatureHalves(t *testing.T) {
	r := *protocol.NewReceiver(protocol.RoleClient, nil)
	other := r
	s := *protocol.NewSender(protocol.RoleServer, nil)
	out, err := s.AppendMessage(nil, frame.OpText, []byte("Hello"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err = s.AppendControl(out, frame.OpPing, []byte("p")); err != nil {
		t.Fatal(err)
	}
	for what, r := range map[string]*protocol.Receiver{"one": &r, "the other": &other} {
		var got string
		for p := bytes.Clone(out); ; {
			n, ev, ok, err := r.Next(p)
			if err != nil {
				t.Fatal(err)
			}
			if p = p[n:]; !ok {
				break
			}
			got += ev.Kind.String() + " " + string(ev.Data) + ";"
		}
		if want := protocol.EventData.String() + " Hello;" + protocol.EventPing.String() + " p;"; got != want {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
}
