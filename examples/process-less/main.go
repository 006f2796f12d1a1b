//go:build linux

// Process-less drives one connection by hand: a socket that does not block, poll,
// and no goroutine but main. It makes a request, opens a WebSocket on the same
// connection, has a message echoed, and closes in order, over HTTP/1.1 or HTTP/2.
//
//	go run ./examples/process-less [-http2] [-addr 127.0.0.1:8080 -path /echo]
//
// Without an address it asks a server of its own, which has goroutines.
package main

import (
	"flag"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"

	"golang.org/x/sys/unix"

	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/protocol"
)

func main() {
	addr := flag.String("addr", "", "`IP:port` of the server; its own if empty")
	path := flag.String("path", "/ws", "`path` at which messages are echoed")
	http2 := flag.Bool("http2", false, "speak HTTP/2, with prior knowledge")
	flag.Parse()
	major := 1
	if *http2 {
		major = 2
	}
	if err := run(os.Stdout, *addr, *path, major); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(w io.Writer, addr, path string, major int) error {
	if addr == "" {
		own, stop, err := serve()
		if err != nil {
			return err
		}
		defer stop()
		addr = own
	}
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return err
	}
	c, err := httpconn.New(&httpconn.Options{Major: major, Authority: addr})
	if err != nil {
		return err
	}
	defer c.Close() // gives back what it has borrowed
	fd, err := connect(ap)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	l := &loop{fd: fd, c: c, in: make([]byte, 16<<10)}
	if err := request(w, l); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	if err := socket(w, l, addr, path, major); err != nil {
		return fmt.Errorf("websocket: %w", err)
	}
	c.Close()
	return l.flush() // the GOAWAY of HTTP/2
}

// request makes a request and prints its response.
func request(w io.Writer, l *loop) error {
	id, err := l.c.Request(&httpconn.Request{Path: "/"})
	if err != nil {
		return err
	}
	for {
		ev, err := l.next()
		if err != nil {
			return err
		}
		if ev.ID != id {
			continue
		}
		switch ev.Kind {
		case httpconn.Status:
			fmt.Fprintf(w, "response: %d\n", ev.Status)
		case httpconn.Data:
			fmt.Fprintf(w, "body: %.64q\n", ev.Data)
			l.c.Consumed(id, len(ev.Data))
		case httpconn.Done:
			return nil
		case httpconn.Failed:
			return ev.Err
		}
	}
}

// socket opens a WebSocket, sends a message, prints what comes, and closes.
func socket(w io.Writer, l *loop, addr, path string, major int) error {
	hs, err := handshake.NewClient(&url.URL{Scheme: "ws", Host: addr, Path: path}, nil)
	if err != nil {
		return err
	}
	for !l.c.Ready() { // over HTTP/2: whether there are WebSockets is in the server's SETTINGS
		if _, err := l.next(); err != nil {
			return err
		}
	}
	id, err := l.c.Upgrade(hs.Request(major))
	if err != nil {
		return err
	}
	var ep *protocol.Endpoint
	for ep == nil || ep.State() != protocol.StateClosed {
		ev, err := l.next()
		if err != nil {
			return err
		}
		if ev.ID != id {
			continue
		}
		switch ev.Kind {
		case httpconn.Upgraded, httpconn.Status: // of the latter, Accepted makes an error
			if ep, _, err = l.c.Accepted(id, hs, nil); err != nil {
				return err
			}
			defer ep.Release()
			fmt.Fprintf(w, "upgraded: %d\n", ev.Status)
			err = ep.Send(frame.OpText, []byte("Hello"))
		case httpconn.Data:
			l.c.Consumed(id, len(ev.Data))
			err = messages(w, ep, ev.Data)
		case httpconn.Done:
			ep.ReceiveEOF()
		case httpconn.Failed:
			return ev.Err
		}
		if err != nil {
			return err
		}
		// Pongs and the answer to a close frame are among it.
		l.id, l.body = id, append(l.body, ep.Output()...)
	}
	fmt.Fprintln(w, ep.Err())
	return nil
}

// messages prints what came, and closes after the first message.
func messages(w io.Writer, ep *protocol.Endpoint, data []byte) error {
	evs, err := ep.Receive(data)
	for _, ev := range evs {
		if ev.Kind == protocol.EventData {
			fmt.Fprintf(w, "message: %q\n", ev.Data)
			if err := ep.Close(frame.StatusNormalClosure, "enough"); err != nil {
				return err
			}
		}
	}
	return err
}
