package reconnect

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/internal/option"
)

// The defaults of [Options].
const (
	DefaultMinWait       = 250 * time.Millisecond
	DefaultMaxWait       = 30 * time.Second
	DefaultHealthy       = 10 * time.Second
	DefaultMaxRetryAfter = 5 * time.Minute
	DefaultKeepAlive     = 15 * time.Second // interval, and timeout
	DefaultMaxMessages   = 1024
	DefaultMaxBytes      = 1 << 20
)

// Options are the settings of [Start]. Nil and the zero value mean all
// defaults. They are copied.
type Options struct {
	// Header is sent with each opening handshake. Default none.
	Header http.Header

	// Subprotocols are offered to the server, in order of preference; it must
	// choose one of them. Default none.
	Subprotocols []string

	// WebSocket has the settings of each connection. Its KeepAlive is 15 s and
	// 15 s by default, and none with a negative Interval; its WriteTimeout is
	// 15 s, its CloseTimeout 5 s by default.
	WebSocket *websocket.ConnOptions

	// Client says how connections are made: TLSConfig, Proxies, Dial, Unix, the
	// timeouts of 10 s for each step, CookieJar, Hooks, TraceTo and the like.
	// Retry, RetryTimeout, RetryFunc and Owner must be left alone: that is the
	// business of this package. Its WebSocket is not looked at; the one above
	// takes its place.
	Client client.Options

	// Prepare is called before each attempt, on the goroutine of the callbacks,
	// and says where to connect and with which header; "" and nil mean the same
	// as without it. It is the place for tokens that must be fresh, and for other
	// hosts. attempt counts from 1, anew after a connection that was healthy. ctx
	// ends with the client. An error counts as an attempt that failed; one that
	// wraps [ErrPermanent] ends the client.
	Prepare func(ctx context.Context, attempt int) (url string, header http.Header, err error)

	// Retry is how often to try again, after an attempt that failed or a
	// connection that was lost, before giving up. It is counted anew after a
	// connection that was healthy. Default no limit; a negative one means never.
	Retry int

	// MinWait and MaxWait are the bounds of the wait before an attempt. The wait
	// is a random part (Jitter) of a ceiling that begins at MinWait and doubles
	// with each attempt up to MaxWait. Default 250 ms and 30 s.
	MinWait, MaxWait time.Duration

	// Healthy is how long a connection must have lived for the waits to begin
	// anew. Default 10 s; with a negative one any connection is healthy.
	Healthy time.Duration

	// Jitter returns a wait from 0 to most. Default: all of them are as likely
	// (full jitter), so that clients that lost their server together do not
	// come back together.
	Jitter func(most time.Duration) time.Duration

	// MaxRetryAfter is the most that a server's Retry-After is obeyed. It comes
	// on top of the jitter. Default 5 min; a negative one means that it is not
	// obeyed.
	MaxRetryAfter time.Duration

	// Policy says after which endings and refusals to connect again; see
	// [DefaultPolicy].
	Policy Policy

	// AfterLocalClose has the client connect again when this side closed the
	// socket itself, by the methods of [Client.Conn]. By default that ends the
	// client, as [Client.Close] does in any case (ruling C1).
	AfterLocalClose bool

	// MaxRedirects is how many redirects of one attempt are followed, up to 5.
	// Credentials do not follow to another origin, and none leads out of TLS.
	// Default 0: a redirect is a refusal.
	MaxRedirects int

	// WhileDown says what becomes of messages that are written while there is no
	// connection. Default [Refuse].
	WhileDown WhileDown

	// Outbox has the limits of the queue of WhileDown: Queue.
	Outbox Outbox

	// OnWait is called on the goroutine of the callbacks before each wait: after
	// which attempt, how long, and why. Default none.
	OnWait func(wait time.Duration, attempt int, err error)

	// Logger is told of connections that come and go (Info) and of attempts that
	// fail (Warn). Default none.
	Logger *slog.Logger

	clock func() time.Time // the wall clock, for tests
}

// WhileDown says what becomes of a message that is written while there is no
// connection: before the first one, between two, and until OnConnect has
// returned.
type WhileDown uint8

// What becomes of messages.
const (
	// Refuse returns [ErrDown].
	Refuse WhileDown = iota

	// Queue puts them into the outbox, from which they are sent in order when
	// OnConnect has returned.
	Queue

	// Drop drops them. Write returns nil, and [Info] counts them.
	Drop
)

// Outbox has the settings of the queue of messages to be sent.
type Outbox struct {
	// MaxMessages and MaxBytes are the most it may hold. Default 1,024 messages
	// and 1 MiB of data; a negative one means no limit.
	MaxMessages int
	MaxBytes    int64

	// Acknowledge keeps messages in the outbox until [Client.Ack] was called for
	// them: after a reconnect all that were not acknowledged are sent again.
	// It goes with Queue only.
	Acknowledge bool
}

// defaults are the settings of clients without options, which share them.
var defaults = new(Options).complete()

// settings checks and copies the options.
func settings(rawURL string, o *Options) (*Options, error) {
	u, err := handshake.ParseURL(rawURL)
	if err != nil || o == nil {
		return defaults, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	own := o.complete()
	return own, own.checkConnect(u)
}

// complete returns a copy with the defaults filled in.
func (o *Options) complete() *Options {
	own := *o
	own.Header = o.Header.Clone()
	own.Subprotocols = slices.Clone(o.Subprotocols)
	own.Policy = o.Policy.clone()
	own.Client.Retry = -1
	own.Client.WebSocket = websocket.ConnOptions{}
	if o.WebSocket != nil {
		own.Client.WebSocket = *o.WebSocket
	}
	own.WebSocket = &own.Client.WebSocket
	if k := &own.WebSocket.KeepAlive; k.Interval == 0 {
		k.Interval = DefaultKeepAlive
		if k.Timeout == 0 {
			k.Timeout = DefaultKeepAlive
		}
	}
	own.WebSocket.CloseTimeout = cmp.Or(own.WebSocket.CloseTimeout, websocket.DefaultCloseTimeout)
	own.MinWait = cmp.Or(o.MinWait, DefaultMinWait)
	own.MaxWait = max(cmp.Or(o.MaxWait, DefaultMaxWait), own.MinWait)
	own.Healthy = option.OrDefault(o.Healthy, DefaultHealthy)
	own.MaxRetryAfter = option.OrDefault(o.MaxRetryAfter, DefaultMaxRetryAfter)
	if own.Jitter == nil {
		own.Jitter = fullJitter
	}
	if own.clock == nil {
		own.clock = wallClock
	}
	own.Outbox.MaxMessages = cmp.Or(o.Outbox.MaxMessages, DefaultMaxMessages)
	own.Outbox.MaxBytes = cmp.Or(o.Outbox.MaxBytes, DefaultMaxBytes)
	return &own
}

// check refuses what cannot be used.
func (o *Options) check() error {
	c := &o.Client
	switch {
	case o.MinWait < 0:
		return &websocket.OptionError{Field: "MinWait", Value: o.MinWait, Want: "more than 0, or 0 for 250 ms: attempts need a pause"}
	case o.MaxWait < 0:
		return &websocket.OptionError{Field: "MaxWait", Value: o.MaxWait, Want: "more than 0, or 0 for 30 s"}
	case o.MaxWait > 0 && o.MaxWait < o.MinWait:
		return &websocket.OptionError{Field: "MaxWait", Value: o.MaxWait, Want: "MinWait or more"}
	case o.MaxRedirects < 0 || o.MaxRedirects > maxRedirects:
		return &websocket.OptionError{Field: "MaxRedirects", Value: o.MaxRedirects, Want: "0 to 5"}
	case o.WhileDown > Drop:
		return &websocket.OptionError{Field: "WhileDown", Value: int(o.WhileDown), Want: "Refuse, Queue or Drop"}
	case o.Outbox.Acknowledge && o.WhileDown != Queue:
		return &websocket.OptionError{Field: "Outbox.Acknowledge", Value: true, Want: "WhileDown: Queue with it"}
	case c.Retry != 0 || c.RetryTimeout != 0 || c.RetryFunc != nil:
		return &websocket.OptionError{Field: "Client", Value: "with Retry, RetryTimeout or RetryFunc", Want: "Retry, MinWait and MaxWait of this package's Options instead"}
	case c.Owner != nil:
		return &websocket.OptionError{Field: "Client.Owner", Value: "set", Want: "none: messages go to the callbacks"}
	}
	return nil
}

const maxRedirects = 5

// checkConnect finds now, before any I/O, what is wrong about the way to the
// server and the opening handshake. The rest of the options is complete.
func (o *Options) checkConnect(u *url.URL) error {
	addr := url.URL{Scheme: u.Scheme, User: u.User, Host: u.Host}
	if err := o.Client.Check(addr.String()); err != nil {
		return err
	}
	_, err := handshake.NewClient(u, &handshake.ClientOptions{
		Header:       o.Header,
		Subprotocols: append(slices.Clone(o.Subprotocols), o.WebSocket.Subprotocols...),
		Extensions:   o.WebSocket.Extensions,
	})
	return err
}
