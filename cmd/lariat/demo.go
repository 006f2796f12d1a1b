package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"syscall"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/spf13/cobra"
)

// demoTimeout bounds each step: they take milliseconds.
const demoTimeout = 20 * time.Second

func (a *app) demoCommand() *cobra.Command {
	var open bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "What the library does, shown on real sockets",
		Long: `demo starts a server on a free port of this machine and shows with real clients
what the library does. Each step checks what happened; the exit code is 0 only
when all of it did.

The numbers of the last step, HTTP/2, are those of the client's TCP sockets, below
TLS and with all handshakes: the bytes of both directions, and how often it read
or wrote, each of which is a system call or more.`,
		Example: `  lariat demo

  # leave the server running, with its page for browsers
  lariat demo --open`,
		Args: argsBetween(0, 0, "", "lariat demo"),
		RunE: func(c *cobra.Command, _ []string) error { return a.demo(c.Context(), open) },
	}
	c.Flags().BoolVar(&open, "open", false, "leave the server running afterwards and print the page's address")
	return c
}

// demo is a server and what its steps share.
type demo struct {
	*printer
	backend *backend
	at      address
	addr    string      // host:port of the server
	endings chan ending // what the server says of each connection

	// A second server, with TLS.
	secure     *backend
	secureAddr string
	trusted    *tls.Config
}

// step is one thing that is shown. It returns what was seen, or an error when
// it did not happen as it should.
type step struct {
	name string
	run  func(d *demo, ctx context.Context) (string, error)
}

func demoSteps() []step {
	return []step{
		{"echo", (*demo).echo},
		{"compression", (*demo).compression},
		{"fragments", (*demo).fragments},
		{"ping", (*demo).pingOnce},
		{"broadcast", (*demo).broadcast},
		{"bad client", (*demo).badClient},
		{"closing handshake", (*demo).closing},
		{"idle", (*demo).idle},
		{"HTTP/2", (*demo).http2},
	}
}

func (a *app) demo(ctx context.Context, open bool) error {
	d, err := startDemo(ctx, a.printer)
	if err != nil {
		return err
	}
	defer d.stop()
	d.line("%s %s", d.paint(bold, "A server listens on"), d.paint(bold, d.at.url))
	d.line("")
	start := time.Now()
	steps := demoSteps()
	for i, s := range steps {
		if err := d.step(ctx, i+1, s); err != nil {
			return err
		}
	}
	d.line("")
	d.line("%s", d.paint(bold, fmt.Sprintf("All %d steps happened, in %d ms.", len(steps), time.Since(start).Milliseconds())))
	if !open {
		d.line("Next: lariat demo --open, or lariat serve and lariat connect ws://localhost:8080/")
		return nil
	}
	d.line("")
	d.listening(d.at)
	<-ctx.Done()
	if s := signalOf(ctx); s == syscall.SIGTERM {
		return nil
	}
	return context.Cause(ctx)
}

// startDemo starts the server.
func startDemo(ctx context.Context, p *printer) (*demo, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fail(exitConnect, "", "cannot listen on this machine: %w", err)
	}
	o := websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{
		Extensions: []extension.Extension{deflate.New(&deflate.Options{
			ServerContextTakeover: true, ClientContextTakeover: true,
		})},
	}}
	d := &demo{printer: p, addr: l.Addr().String(), endings: make(chan ending, 1024)}
	d.backend = newBackend(ctx, o, slog.New(slog.NewTextHandler(io.Discard, nil)))
	d.backend.ended = func(e ending) {
		select {
		case d.endings <- e:
		default: // only --open outlives the steps
		}
	}
	if d.at, err = d.backend.start(l, &serveFlags{}); err != nil {
		return d, err
	}
	return d, d.startSecure(ctx)
}

// startSecure starts the server with TLS.
func (d *demo) startSecure(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fail(exitConnect, "", "cannot listen on this machine: %w", err)
	}
	d.secure, d.secureAddr = newBackend(ctx, websocket.AcceptOptions{}, slog.New(slog.DiscardHandler)), l.Addr().String()
	at, err := d.secure.start(l, &serveFlags{tls: true})
	if err != nil {
		return err
	}
	d.trusted, err = clientTLS(false, at.fingerprint, "", "", "")
	return err
}

// stop ends both servers.
func (d *demo) stop() {
	d.secure.stop(5 * time.Second)
	d.backend.stop(5 * time.Second)
}

// step runs one step and shows how it went.
func (d *demo) step(ctx context.Context, n int, s step) error {
	bounded, cancel := context.WithTimeout(ctx, demoTimeout)
	defer cancel()
	start := time.Now()
	detail, err := s.run(d, bounded)
	took := time.Since(start)
	e := &stepEvent{Step: n, Name: s.name, OK: err == nil, Detail: detail, Duration: ms(took)}
	mark := d.paint(green, "ok")
	if err != nil {
		e.Detail = err.Error()
		mark = d.paint(red, "FAILED")
	}
	_ = d.event("step", e)
	d.line("%s %s %s  %s", d.paint(dim, fmt.Sprintf("%2d", n)), d.paint(cyan, fmt.Sprintf("%-18s", s.name)), mark, e.Detail)
	switch {
	case err == nil:
		return nil
	case signalOf(ctx) != nil:
		return context.Cause(ctx)
	}
	return fail(exitOther, "", "step %d, %s, did not happen: %w", n, s.name, err)
}

// dialPath opens a connection to a path of the server.
func (d *demo) dialPath(ctx context.Context, path string, o *websocket.DialOptions) (*websocket.Conn, error) {
	return websocket.Dial(ctx, "ws://"+d.addr+path, o)
}

// endOf waits for what the server says of the connection whose client had the
// given address.
func (d *demo) endOf(ctx context.Context, remote string) (ending, error) {
	for {
		select {
		case e := <-d.endings:
			if e.remote == remote {
				return e, nil
			}
		case <-ctx.Done():
			return ending{}, errors.New("the server has not noticed the end of the connection")
		}
	}
}
