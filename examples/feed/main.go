// Feed follows a feed of ticks and survives the loss of its server.
//
//	go run ./examples/feed                      a server of its own, in the same program
//	go run ./examples/feed -demo                the same; it is killed now and then
//	go run ./examples/feed -listen :8081        a server alone
//	go run ./examples/feed ws://localhost:8081  the feed of another one
//
// One line on the terminal tells how many ticks have come, and what is missing.
// Nothing is: after each loss the client connects again and asks for what came
// after the last tick it has. Ctrl-C ends it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/lariat-go/websocket/reconnect"
)

func main() {
	demo := flag.Bool("demo", false, "kill the server now and then, and start it again")
	listen := flag.String("listen", "", "serve a feed at this address, and do not follow one")
	rate := flag.Int("rate", 100, "ticks per second of the server")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: feed [-demo] [-rate n] [url]\n       feed -listen host:port [-rate n]")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, flag.Arg(0), *listen, max(*rate, 1), *demo)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, url, listen string, rate int, demo bool) error {
	if url != "" {
		return follow(ctx, url, newProgress(os.Stdout))
	}
	s := newServer(listen)
	if err := s.start(); err != nil {
		return err
	}
	defer s.kill()
	go s.feed.run(ctx, rate)
	if listen != "" {
		fmt.Printf("serving %d ticks a second on %s\n", rate, s.url())
		<-ctx.Done()
		return nil
	}
	out := newProgress(os.Stdout)
	if demo {
		go s.misbehave(ctx, out)
	}
	return follow(ctx, s.url(), out)
}

// misbehave kills the server every ten seconds, for one to eight seconds.
func (s *server) misbehave(ctx context.Context, out *progress) {
	for i := 0; ; i++ {
		down := time.Second << (i % 4)
		if !wait(ctx, 10*time.Second) {
			return
		}
		s.kill()
		out.event("server: killed, for %v", down)
		if !wait(ctx, down) {
			return
		}
		if err := s.start(); err != nil {
			out.event("server: %v", err)
			return
		}
		out.event("server: there again")
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// follow shows the feed at url until ctx ends, or the server says that there is
// no point in coming back.
func follow(ctx context.Context, url string, out *progress) error {
	c := newConsumer(out.event)
	client, err := reconnect.Start(ctx, url, c, nil)
	if err != nil {
		return err
	}
	ticker := time.NewTicker(out.every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			out.show(c.counts())
		case <-client.Done():
			out.show(c.counts())
			fmt.Fprintln(out.w)
			if ctx.Err() != nil {
				return nil // we were asked to end
			}
			return client.Err()
		}
	}
}
