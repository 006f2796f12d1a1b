package h2_test

import (
	"testing"

	"github.com/lariat-go/websocket/internal/h2"
)

func TestRequestAndResponse(t *testing.T) {
	e := server(t, h2.Config{})
	e.in(get(1, "accept", "*/*"))
	s := e.stream()
	e.want("head 1 GET / accept=*/* end")
	if err := e.c.Respond(s, &h2.Head{Status: 200, ContentLength: 5}, false); err != nil {
		t.Fatal(err)
	}
	if n, err := e.c.Write(s, []byte("hel"), []byte("lo"), true); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	out := e.flush()
	if len(out) != 2 || out[0].typ != h2.FrameHeaders || out[1].String() != data(1, h2.FlagEndStream, "hello").String() {
		t.Fatalf("%v", out)
	}
	if e.c.Streams() != 0 || e.c.Idle() {
		t.Errorf("%d streams, idle %v before Release", e.c.Streams(), e.c.Idle())
	}
	if e.c.Release(s); !e.c.Idle() {
		t.Error("not idle after Release")
	}
}

func TestBothEndsTalk(t *testing.T) {
	s, c := newEnd(t, h2.Config{Role: h2.RoleServer, ExtendedConnect: true}), newEnd(t, h2.Config{Role: h2.RoleClient})
	pump := func() {
		for s.c.HasOutput() || c.c.HasOutput() {
			c.feed(s.c.Output(nil, 1<<20))
			s.feed(c.c.Output(nil, 1<<20))
		}
		s.ok()
		c.ok()
	}
	pump()
	s.want("settings first", "window", "window", "ack")
	c.want("settings first", "window", "window", "ack")
	if !c.c.PeerExtendedConnect() || c.c.PeerMaxStreams() != h2.DefaultMaxStreams || !s.c.Settled() {
		t.Fatal("settings")
	}
	cs, err := c.c.Open(&h2.Head{
		Method: "CONNECT", Protocol: "websocket", Scheme: "https", Authority: "example.com", Path: "/ws", ContentLength: -1,
		Fields: []h2.Field{{Name: "sec-websocket-version", Value: "13"}},
	}, false)
	if err != nil {
		t.Fatal(err)
	}
	pump()
	ss := s.stream()
	s.want("head 1 CONNECT websocket /ws sec-websocket-version=13")
	if err := s.c.Respond(ss, &h2.Head{Status: 200, ContentLength: -1}, false); err != nil {
		t.Fatal(err)
	}
	pump()
	c.want("head 1 200")
	for _, m := range []string{"one", "two"} {
		if n, err := c.c.Write(cs, []byte(m), nil, false); n != 3 || err != nil {
			t.Fatal(n, err)
		}
		pump()
		s.want(`data 1 "` + m + `"`)
		s.c.Consumed(ss, 3)
	}
	if _, err := c.c.Write(cs, nil, nil, true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.c.Write(ss, nil, nil, true); err != nil {
		t.Fatal(err)
	}
	pump()
	s.want(`data 1 "" end`)
	c.want(`data 1 "" end`)
	if s.c.Release(ss); !s.c.Idle() || !c.c.Idle() {
		t.Error("not idle")
	}
}
