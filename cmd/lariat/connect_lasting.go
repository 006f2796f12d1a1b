package main

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/reconnect"
	"github.com/spf13/cobra"
)

// healthy is how long a connection must have lived for the waits to begin anew.
// A person waits, so it is less than package reconnect's default.
const healthy = time.Second

// longestWait is the longest wait between two attempts. A person waits here too.
const longestWait = 5 * time.Second

// flushWait is how long, at the end of input, what waits in the outbox is given
// to be sent; --linger makes it longer.
const flushWait = 30 * time.Second

// lastingFlags are those of connections that are made again.
type lastingFlags struct {
	reconnect   bool
	outbox      int
	retry       int
	maxWait     time.Duration
	ownerEvents bool
}

func (f *lastingFlags) register(c *cobra.Command) {
	fl := c.Flags()
	fl.BoolVar(&f.reconnect, "reconnect", false, "stay connected: when the connection is lost, or cannot be made yet, try again")
	fl.IntVar(&f.outbox, "outbox", 0, "with --reconnect: keep up to `N` lines while there is no connection, and send them in order when there is one; 0: refuse them")
	fl.IntVar(&f.retry, "retry", 0, "try again `N` times in a row before giving up; 0 for no limit, with --owner-events for 5")
	fl.DurationVar(&f.maxWait, "max-wait", 0, "longest `TIME` between two attempts; 0 for 5s")
	fl.BoolVar(&f.ownerEvents, "owner-events", false, "print each event of the connection as a JSON object: attempts, up, upgraded, messages, closed, down")
}

// lastingText is what the help says about them.
const lastingText = `With --reconnect the connection is made again when it is lost, after a wait that
grows from 250 ms to --max-wait and is shortened by chance; it begins anew after a
connection that lived for a second. What happens is said on standard error. Codes
by which the server says that it is of no use to come back, such as 1008, end it,
and so do refusals such as 401 and 404 and certificates that are not trusted.

Lines that come while there is no connection are refused, or with --outbox N kept
and sent in order as soon as there is one. A line is kept until the other end of
the connection has acknowledged its bytes, and sent again if that was lost before:
so none is lost that was typed when the server was gone and nobody knew yet. At the
end of input what is kept is given 30 s to be sent, or the time of --linger if that
is longer; lines that were not sent give exit code 6.

With --owner-events every step of the connection is printed as a JSON object, see
lariat help json, and it is made again up to --retry times.`

// checkTogether refuses flags that do not go together.
func (f *connectFlags) checkTogether() error {
	switch {
	case f.outbox < 0:
		return usage("--outbox 100", "--outbox is %d, and a number of lines is not negative", f.outbox)
	case f.outbox > 0 && !f.reconnect:
		return usage("--reconnect --outbox 100", "--outbox keeps lines until there is a connection again, and without --reconnect there is only one")
	case f.retry < 0:
		return usage("--retry 5, or 0 for no limit", "--retry is %d, and a number of attempts is not negative", f.retry)
	case f.maxWait < 0:
		return usage("--max-wait 30s", "--max-wait is %v, and a time is never negative", f.maxWait)
	case f.retry > 0 && !f.reconnect && !f.ownerEvents:
		return usage("--reconnect --retry 5", "--retry is for connections that are made again")
	case f.maxWait > 0 && !f.reconnect && !f.ownerEvents:
		return usage("--reconnect --max-wait 30s", "--max-wait is for connections that are made again")
	case f.follow && (f.ownerEvents || len(f.requests) > 0):
		return usage("the URL that the server points to", "--follow does not go with --owner-events and --request")
	case f.reconnect && f.ownerEvents:
		return usage("--owner-events --retry 5", "--owner-events makes the connection again by itself, without --reconnect")
	case f.reconnect && len(f.requests) > 0:
		return usage("--owner-events, which makes the requests on each connection", "--request is for one connection, and --reconnect makes many")
	case f.anyStatus && len(f.requests) == 0:
		return usage("--request 'GET /login' --any-status", "--any-status is about requests, and there is no --request")
	}
	return nil
}

// lasting is "lariat connect --reconnect": a connection that is made again.
type lasting struct {
	*typist
	reconnect.NopCallbacks
	client  *reconnect.Client
	url     string
	started chan struct{} // closed when the first connection is there
	met     chan struct{} // closed when what was waited for has come
	closing atomic.Bool   // this end closes for good

	telling  sync.Mutex    // held by who tells what was sent
	ready    chan struct{} // closed when client is set
	delivery *delivery     // of lines, with an outbox
	waiting  atomic.Int64  // lines of which we have said that they wait
	refused  atomic.Int64  // lines that were not sent
	mu       sync.Mutex
	gap      chan struct{} // closed when there is no connection, but will be another one

	ups  int  // how often it was connected; the callbacks'
	lost bool // there was a connection before this wait; the callbacks'
}

func (a *app) stayConnected(ctx context.Context, u *url.URL, w *watcher, o *websocket.DialOptions) error {
	l := &lasting{
		typist: &typist{watcher: w}, url: u.Redacted(), ready: make(chan struct{}),
		delivery: &delivery{wake: make(chan struct{}, 1)},
		started:  make(chan struct{}), met: make(chan struct{}), gap: make(chan struct{}),
	}
	l.to = l
	l.ctx, l.giveUp = context.WithCancelCause(ctx)
	defer l.giveUp(nil)
	if w.flags.outbox > 0 {
		o.Trace = l.delivery.trace(o.Trace)
	}
	ro, err := w.flags.reconnectOptions(u, o, l.waits)
	if err != nil {
		return err
	}
	if err := l.open(a.in); err != nil {
		return err
	}
	defer l.restore()
	if l.client, err = reconnect.Start(context.WithoutCancel(ctx), u.String(), l, ro); err != nil {
		return dialFailure(ctx, u.Redacted(), err)
	}
	close(l.ready)
	defer l.client.CloseNow() //nolint:errcheck // it has ended
	if w.flags.outbox > 0 {
		go l.delivery.run(l.ctx, l.client)
	}
	return l.run()
}

// reconnectOptions are the flags in the words of package reconnect.
func (f *connectFlags) reconnectOptions(u *url.URL, o *websocket.DialOptions, onWait func(time.Duration, int, error)) (*reconnect.Options, error) {
	co, err := f.clientOptions(u, &websocket.ConnOptions{})
	if err != nil {
		return nil, err
	}
	co.Retry = 0 // that is said below
	ro := &reconnect.Options{
		Header:       o.Header,
		WebSocket:    &o.ConnOptions,
		Client:       *co,
		Retry:        f.retry,
		MaxWait:      cmp.Or(f.maxWait, longestWait),
		MaxRedirects: o.MaxRedirects,
		Healthy:      healthy,
		OnWait:       onWait,
	}
	if f.maxWait > 0 {
		ro.MinWait = min(reconnect.DefaultMinWait, f.maxWait)
	}
	if f.outbox > 0 {
		ro.WhileDown = reconnect.Queue
		ro.Outbox = reconnect.Outbox{MaxMessages: f.outbox, MaxBytes: -1, Acknowledge: true}
	}
	return ro, nil
}

// run sends what is typed and prints what comes, until it is over.
func (l *lasting) run() error {
	go l.sendLines()
	select {
	case <-l.client.Done():
	case <-l.met:
		l.end(websocket.StatusNormalClosure)
		return nil
	case <-l.ctx.Done():
		l.end(websocket.StatusGoingAway)
	}
	left := l.client.Info().Queued
	if left > 0 {
		l.say(yellow, "not sent: %s", count(int64(left), "waiting line"))
	}
	f, in := endedBy(l.ctx), l.inputErr.Load()
	if f != nil && f.code != exitExpect {
		return f
	}
	if f == nil {
		f = l.gaveUp(l.client.Err())
	}
	switch {
	case in != nil && (f == nil || f.code == exitExpect):
		return in
	case l.unmet():
		return l.unmetFailure(f)
	case f != nil:
		return f
	}
	if l.pretty {
		return nil
	}
	if left > 0 {
		return &failure{code: exitLost} // it has been said
	}
	return refusedFailure(l.refused.Load(), "--outbox 100 keeps lines until there is a connection")
}

// refusedFailure is that of lines that could not be sent.
func refusedFailure(n int64, hint string) error {
	if n == 0 {
		return nil
	}
	return fail(exitLost, hint, "not sent, as there was no connection: %s of the input", count(n, "line"))
}

// sendLines reads the input. A pipe is read when there is a connection for the
// first time or, with an outbox, when the first attempt has failed.
func (l *lasting) sendLines() {
	if !l.pretty {
		l.mu.Lock()
		failed := l.gap
		l.mu.Unlock()
		if l.flags.outbox == 0 {
			failed = nil
		}
		select {
		case <-l.started:
			if l.client.AwaitUp(l.ctx) != nil {
				return
			}
		case <-failed:
		case <-l.client.Done():
			return
		case <-l.ctx.Done():
			return
		}
	}
	l.send()
}

// end closes for good and waits for that, but not for long.
func (l *lasting) end(code websocket.StatusCode) {
	defer time.AfterFunc(closeWait, func() { _ = l.client.CloseNow() }).Stop()
	_ = l.client.Close(code, "")
	<-l.client.Done()
}

// unsent tells that a line of a pipe was not sent. The next one may be, unless
// it is over.
func (l *lasting) unsent(n int, err error) *failure {
	l.mu.Lock()
	gap := l.gap
	l.mu.Unlock()
	if errors.Is(err, errNotSent) || errors.Is(err, errOutboxFull) {
		select {
		case <-gap:
			l.refused.Add(1)
			l.say(yellow, "line %d %v", n, err)
			return nil
		case <-l.client.Done():
		case <-l.ctx.Done():
			return nil
		}
	}
	if f := l.gaveUp(l.client.Err()); f != nil {
		return f
	}
	return fail(exitOther, "", "the connection was closed before line %d of the input could be sent", n)
}

// Kick makes the next attempt now.
func (l *lasting) Kick() { l.client.Kick() }

// ping measures a round trip.
func (l *lasting) ping(ctx context.Context) (time.Duration, error) {
	c := l.client.Conn()
	if c == nil {
		return 0, errors.New("there is no connection to ping on")
	}
	return c.Ping(ctx)
}

// beginClose ends it for good, in the background. What the server has sent
// before its own close frame still comes.
func (l *lasting) beginClose(code websocket.StatusCode, reason string) error {
	if _, err := frame.AppendClose(nil, code, reason); err != nil {
		return err
	}
	if !l.closing.Swap(true) {
		go l.close(code, reason)
	}
	return nil
}

func (l *lasting) close(code websocket.StatusCode, reason string) {
	if c := l.client.Conn(); c != nil && c.WriteBatch(l.ctx, websocket.CloseFrame(code, reason)) == nil {
		t := time.NewTimer(closeWait)
		defer t.Stop()
		select {
		case <-l.client.Done():
			return
		case <-t.C:
			l.giveUp(errNoClose)
		}
	}
	_ = l.client.Close(code, reason) // Done and Err tell
}

// gaveUp explains why it is over for good, nil when that is well.
func (l *lasting) gaveUp(err error) *failure {
	if err == nil {
		return nil
	}
	var ce *websocket.CloseError
	if errors.As(err, &ce) {
		return endFailure(l.ctx, err)
	}
	return dialFailure(l.ctx, l.url, err)
}

// plainError is an error without the library's name.
func plainError(err error) string {
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), "websocket: ", "")
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
