//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/h2"
	"github.com/lariat-go/websocket/reconnect"
)

// each runs f for every connection and returns what waits for all of them.
func (s clientSpec) each(f func() error) func() error {
	errs := make(chan error, s.conns)
	for range s.conns {
		go func() { errs <- f() }()
	}
	return func() error {
		for range s.conns {
			select {
			case err := <-errs:
				if err != nil {
					return err
				}
			case <-time.After(10 * time.Second):
				return errors.New("a connection hangs")
			}
		}
		return nil
	}
}

func (s clientSpec) payload() []byte {
	p := make([]byte, s.size)
	rand.Read(p)
	return p
}

// clientRaw sends the same frame again and again, built beforehand, and reads as
// many bytes as its answer has: what the system calls cost with the same server.
func clientRaw(s clientSpec) (func() error, error) {
	l := loadSpec{addr: s.addr, mode: modePlain}
	out := appendFrame(nil, finBit|opBinary, [4]byte{1, 2, 3, 4}, s.payload())
	answer := len(out) - 4 // no masking-key
	return s.each(func() error {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			return err
		}
		defer c.Close()
		in := make([]byte, max(answer, 4<<10))
		if err := l.upgrade(c, upgradeRequest(s.addr, modePlain, false), in); err != nil {
			return err
		}
		for {
			if _, err := c.Write(out); err != nil {
				return err
			}
			if _, err := io.ReadFull(c, in[:answer]); err != nil {
				return err
			}
			if !s.run.more() {
				return nil
			}
		}
	}), nil
}

// clientDial reads into a buffer used again.
func clientDial(s clientSpec) (func() error, error) {
	return s.each(func() error {
		ctx := context.Background()
		c, err := websocket.Dial(ctx, "ws://"+s.addr+"/", nil)
		if err != nil {
			return err
		}
		p, buf := s.payload(), []byte(nil)
		for {
			if err := c.Write(ctx, websocket.MessageBinary, p); err != nil {
				return err
			}
			if _, buf, err = c.Append(ctx, buf[:0]); err != nil {
				return err
			}
			if len(buf) != s.size {
				return errors.New("another message came back")
			}
			if !s.run.more() {
				if s.mode == modeClientIdle {
					_, _, err = c.Append(ctx, nil) // until the server ends
				}
				return errors.Join(err, c.CloseNow())
			}
		}
	}), nil
}

// clientOwner has one owner for all connections.
func clientOwner(s clientSpec) (func() error, error) {
	ctx := context.Background()
	o := client.NewOwner(s.conns)
	p := s.payload()
	socks := make([]*websocket.Conn, 0, s.conns)
	for range s.conns {
		c, err := client.Open(s.addr, &client.Options{Owner: o})
		if err != nil {
			return nil, err
		}
		upgraded := make(chan error, 1)
		go func() {
			k, err := c.Upgrade(ctx, "/", nil)
			if err == nil {
				socks = append(socks, k)
			}
			upgraded <- err
		}()
		for done := false; !done; {
			select {
			case <-o.C:
			case err := <-upgraded:
				if err != nil {
					return nil, err
				}
				done = true
			}
		}
	}
	over := make(chan error, 1)
	go func() {
		left := s.conns
		for ev := range o.C {
			m, ok := ev.(client.Message)
			if !ok {
				continue
			}
			if len(m.Data) != s.size {
				over <- errors.New("another message came back")
				return
			}
			if s.run.more() {
				if err := m.Socket.Write(ctx, m.Type, m.Data); err != nil {
					over <- err
					return
				}
			} else if left--; left == 0 {
				over <- nil
				return
			}
		}
	}()
	for _, k := range socks {
		if err := k.Write(ctx, websocket.MessageBinary, p); err != nil {
			return nil, err
		}
	}
	return func() error { return <-over }, nil
}

// echoer answers by callbacks.
type echoer struct {
	reconnect.NopCallbacks
	s    *clientSpec
	p    []byte
	over chan error
	once sync.Once
}

func (e *echoer) OnConnect(c *reconnect.Client, _ http.Header) {
	if err := c.Write(context.Background(), websocket.MessageBinary, e.p); err != nil {
		e.end(err)
	}
}

func (e *echoer) OnMessage(c *reconnect.Client, m websocket.Message) {
	switch {
	case len(m.Data) != e.s.size:
		e.end(errors.New("another message came back"))
	case !e.s.run.more():
		e.end(nil)
	default:
		if err := c.Write(context.Background(), m.Type, m.Data); err != nil {
			e.end(err)
		}
	}
}

func (e *echoer) end(err error) { e.once.Do(func() { e.over <- err }) }

func clientReconnect(s clientSpec) (func() error, error) {
	p := s.payload()
	over := make(chan error, s.conns)
	for range s.conns {
		c, err := reconnect.Start(context.Background(), "ws://"+s.addr+"/", &echoer{s: &s, p: p, over: over}, nil)
		if err != nil {
			return nil, err
		}
		// One after the other, so that what connecting takes is used again.
		if err := c.AwaitUp(context.Background()); err != nil {
			return nil, err
		}
	}
	return func() error {
		for range s.conns {
			if err := <-over; err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// serveSite serves 1 KiB over HTTP/1.1 and HTTP/2 without TLS.
func serveSite(ln net.Listener, _ mode) error {
	page := make([]byte, 1<<10)
	srv := &http.Server{Protocols: new(http.Protocols), Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Write(page)
	})}
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	if err := h2.ConfigureServer(srv, nil); err != nil {
		return err
	}
	return srv.Serve(ln)
}

// gets makes GETs with one Transport, over one connection.
func (s clientSpec) gets(rt http.RoundTripper) func() error {
	return s.each(func() error {
		buf := make([]byte, 4<<10)
		for {
			req, err := http.NewRequest(http.MethodGet, "http://"+s.addr+"/", nil)
			if err != nil {
				return err
			}
			res, err := rt.RoundTrip(req)
			if err != nil {
				return err
			}
			n := 0
			for {
				m, err := res.Body.Read(buf)
				n += m
				if err == io.EOF {
					break
				}
				if err != nil {
					return err
				}
			}
			res.Body.Close()
			if res.StatusCode != http.StatusOK || n != s.size {
				return errors.New("another response came")
			}
			if !s.run.more() {
				return nil
			}
		}
	})
}

func clientGet(p client.Protocol) func(s clientSpec) (func() error, error) {
	return func(s clientSpec) (func() error, error) {
		c, err := client.Open(s.addr, &client.Options{Protocols: []client.Protocol{p}})
		if err != nil {
			return nil, err
		}
		return s.gets(c), nil
	}
}

func nethttpGet(two bool) func(s clientSpec) (func() error, error) {
	return func(s clientSpec) (func() error, error) {
		t := &http.Transport{Protocols: new(http.Protocols), MaxConnsPerHost: 1, DisableCompression: true}
		t.Protocols.SetHTTP1(!two)
		t.Protocols.SetUnencryptedHTTP2(two)
		return s.gets(t), nil
	}
}
