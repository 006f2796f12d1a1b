package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/spf13/cobra"
)

// pingFlags are what "lariat ping" can be told besides how to dial.
type pingFlags struct {
	dialFlags
	count    int
	interval time.Duration
	wait     time.Duration
}

func (a *app) pingCommand() *cobra.Command {
	f := &pingFlags{}
	c := &cobra.Command{
		Use:   "ping URL",
		Short: "Measure round-trip times",
		Long: `ping opens a WebSocket, sends pings and shows how long the pongs took, with the
minimum, median, 99th percentile, maximum and loss at the end.

The exit code is 8 when a ping stayed without an answer.

` + httpText,
		Example: `  # five pings, one a second
  lariat ping ws://localhost:8080/

  # a hundred quick ones
  lariat ping -c 100 -i 10ms ws://localhost:8080/

  # over HTTP/2
  lariat ping --http 2 -c 3 -i 10ms ws://localhost:8080/`,
		Args: argsBetween(1, 1, "one URL", "lariat ping ws://localhost:8080/"),
		RunE: func(c *cobra.Command, args []string) error { return a.ping(c.Context(), args[0], f) },
	}
	f.register(c)
	fl := c.Flags()
	fl.IntVarP(&f.count, "count", "c", 5, "send `N` pings; 0 to go on until Ctrl-C")
	fl.DurationVarP(&f.interval, "interval", "i", time.Second, "`TIME` between pings")
	fl.DurationVarP(&f.wait, "wait", "W", 5*time.Second, "`TIME` to wait for each pong")
	return c
}

func (a *app) ping(ctx context.Context, target string, f *pingFlags) error {
	u, err := checkURL(target)
	if err != nil {
		return err
	}
	if f.count < 0 {
		return usage("--count 5, or 0 to go on until Ctrl-C", "--count is %d, and a number of pings is not negative", f.count)
	}
	if err := errors.Join(positive("interval", f.interval), positive("wait", f.wait)); err != nil {
		return err
	}
	o, err := f.options(a.printer)
	if err != nil {
		return err
	}
	o.CloseTimeout = min(f.wait, websocket.DefaultCloseTimeout)
	ctx, cancel := f.bound(ctx)
	defer cancel()
	c, end, err := f.dial(ctx, a.printer, u, o)
	if err != nil {
		return err
	}
	defer end()
	defer c.CloseNow() //nolint:errcheck // after Close

	m := &meter{printer: a.printer, conn: c, flags: f, started: time.Now()}
	a.printer.line("PING %s (%v) over %s", u.Redacted(), c.RemoteAddr(), versionName(c.HTTPVersion()))
	ended := make(chan error, 1)
	go func() { ended <- discardAll(c) }()
	err = m.run(ctx, ended)
	m.statistics(u.Redacted())
	return err
}

// discardAll reads, so that pongs are seen, until the connection ends.
func discardAll(c *websocket.Conn) error {
	for {
		if _, _, err := c.Read(context.Background()); err != nil {
			return err
		}
	}
}

// meter collects round-trip times.
type meter struct {
	printer *printer
	conn    *websocket.Conn
	flags   *pingFlags
	started time.Time
	sent    int
	times   []time.Duration
}

// run sends the pings, and closes. ended gives the end of the connection.
func (m *meter) run(ctx context.Context, ended <-chan error) error {
	tick := time.NewTicker(m.flags.interval)
	defer tick.Stop()
	for {
		if f := m.once(ctx, ended); f != nil {
			return f
		}
		if m.sent == m.flags.count {
			break
		}
		select {
		case <-tick.C:
		case err := <-ended:
			return m.lost(ctx, err)
		case <-ctx.Done():
			_ = m.conn.Close(websocket.StatusGoingAway, "")
			return endedBy(ctx)
		}
	}
	err := m.conn.Close(websocket.StatusNormalClosure, "")
	if lost := m.sent - len(m.times); lost > 0 {
		return fail(exitExpect, "--wait 30s is more patient", "%s stayed without an answer", count(int64(lost), "ping"))
	}
	if err != nil {
		if f := endFailure(ctx, err); f != nil {
			return f
		}
	}
	return nil
}

// lost is the failure of a connection that ended before all pings were sent.
func (m *meter) lost(ctx context.Context, err error) error {
	if f := endFailure(ctx, err); f != nil {
		return f
	}
	return fail(exitOther, "", "the peer closed the connection after %s", count(int64(m.sent), "ping"))
}

// once sends one ping and shows the pong. It returns nil also when the ping
// was lost and the connection is still there. ended gives its end.
func (m *meter) once(ctx context.Context, ended <-chan error) error {
	one, cancel := context.WithTimeout(ctx, m.flags.wait)
	defer cancel()
	m.sent++
	rtt, err := m.conn.Ping(one)
	switch {
	case err == nil:
		m.times = append(m.times, rtt)
		_ = m.printer.event("pong", &pongEvent{Seq: m.sent, RTT: ms(rtt)})
		m.printer.line("pong from %v: seq=%d time=%s", m.conn.RemoteAddr(), m.sent, m.printer.paint(green, millis(rtt)))
		return nil
	case ctx.Err() != nil:
		m.sent-- // it had no time to be answered
		_ = m.conn.Close(websocket.StatusGoingAway, "")
		return endedBy(ctx)
	case one.Err() != nil:
		_ = m.printer.event("lost", &lostEvent{Seq: m.sent})
		m.printer.line("%s seq=%d", m.printer.paint(red, "no pong:"), m.sent)
		return nil
	}
	if _, ok := errors.AsType[*websocket.CloseError](err); !ok {
		select {
		case err = <-ended: // the closing handshake is under way
		case <-ctx.Done():
		}
	}
	return m.lost(ctx, err)
}

// statistics shows the sums, as ping(8) does.
func (m *meter) statistics(url string) {
	e := &statisticsEvent{Sent: m.sent, Received: len(m.times)}
	if m.sent > 0 {
		e.Loss = float64(m.sent-len(m.times)) / float64(m.sent)
	}
	slices.Sort(m.times)
	e.Min, e.Median, e.P99, e.Max = ms(percentile(m.times, 0)), ms(percentile(m.times, 50)), ms(percentile(m.times, 99)), ms(percentile(m.times, 100))
	_ = m.printer.event("statistics", e)
	m.printer.line("")
	m.printer.line("--- %s ping statistics ---", url)
	m.printer.line("%s sent, %s received, %.4g%% loss, time %d ms", count(int64(m.sent), "ping"), count(int64(len(m.times)), "pong"),
		e.Loss*100, time.Since(m.started).Milliseconds())
	if len(m.times) > 0 {
		m.printer.line("rtt min/median/p99/max = %s", fmt.Sprintf("%.3f/%.3f/%.3f/%.3f ms", e.Min, e.Median, e.P99, e.Max))
	}
}

// percentile returns the smallest of the sorted times that p percent of them
// do not exceed, 0 when there are none.
func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1]
}
