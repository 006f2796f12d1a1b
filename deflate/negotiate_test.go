package deflate_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/option"
)

// S2.15, S2.17: what a server answers to an offer, RFC 7692, section 7.1.
func TestAccept(t *testing.T) {
	both := &deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true}
	small := &deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true, ServerMaxWindowBits: 10, ClientMaxWindowBits: 11}
	const none = "server_no_context_takeover; client_no_context_takeover"
	for _, tc := range []struct {
		name, offer string
		o           *deflate.Options
		want        string // "-": declined
	}{
		{"nothing", "", nil, none},
		{"nothing, takeover", "", both, ""},
		{"server without takeover", "server_no_context_takeover", both, "server_no_context_takeover"},
		{"client without takeover", "client_no_context_takeover", both, "client_no_context_takeover"},
		{"neither", "server_no_context_takeover client_no_context_takeover", both, none},
		{"neither, in the other order", "client_no_context_takeover server_no_context_takeover", both, none},
		{"smaller window demanded", "server_max_window_bits=9", both, "server_max_window_bits=9"},
		{"smallest window demanded", "server_max_window_bits=8", both, "server_max_window_bits=8"},
		{"largest window demanded", "server_max_window_bits=15", both, "server_max_window_bits=15"},
		{"larger window demanded than ours", "server_max_window_bits=12", small, "server_max_window_bits=10"},
		{"smaller window demanded than ours", "server_max_window_bits=9", small, "server_max_window_bits=9"},
		{"our window, not demanded", "", small, "server_max_window_bits=10"},
		{"client's window not offered", "server_max_window_bits=10", small, "server_max_window_bits=10"},
		{"client's window offered", "client_max_window_bits", both, ""},
		{"client's window offered, ours smaller", "client_max_window_bits", small, "server_max_window_bits=10; client_max_window_bits=11"},
		{"client's window given", "client_max_window_bits=9", both, "client_max_window_bits=9"},
		{"client's window given, ours smaller", "client_max_window_bits=14", small, "server_max_window_bits=10; client_max_window_bits=11"},
		{"client's window given, ours larger", "client_max_window_bits=8", small, "server_max_window_bits=10; client_max_window_bits=8"},
		{"largest client window", "client_max_window_bits=15", both, ""},
		{"all", "server_no_context_takeover client_no_context_takeover server_max_window_bits=12 client_max_window_bits=13", nil, none + "; server_max_window_bits=12; client_max_window_bits=13"},

		{"unknown parameter", "memory_level=9", nil, "-"},
		{"unknown parameter after a good one", "client_max_window_bits x", nil, "-"},
		{"no value", "server_max_window_bits", nil, "-"},
		{"a value too many", "server_no_context_takeover=1", nil, "-"},
		{"a value too many for the client", "client_no_context_takeover=true", nil, "-"},
		{"twice", "client_max_window_bits client_max_window_bits", nil, "-"},
		{"twice, other value", "server_max_window_bits=10 server_max_window_bits=11", nil, "-"},
		{"7", "server_max_window_bits=7", nil, "-"},
		{"16", "server_max_window_bits=16", nil, "-"},
		{"0", "client_max_window_bits=0", nil, "-"},
		{"8x", "client_max_window_bits=8x", nil, "-"},
		{"08", "client_max_window_bits=08", nil, "-"},
		{"+8", "server_max_window_bits=+8", nil, "-"},
		{"-8", "server_max_window_bits=-8", nil, "-"},
		{"1e1", "server_max_window_bits=1e1", nil, "-"},
		{"quotes in the value", `server_max_window_bits="10"`, nil, "-"}, // the header's parser takes real ones off
		{"bad options", "", &deflate.Options{ServerMaxWindowBits: 7}, "-"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			response, c, ok := deflate.New(tc.o).Accept(offer(strings.Fields(tc.offer)...))
			if tc.want == "-" {
				if ok || c != nil || response.Name != "" {
					t.Fatalf("answered %q", format(response))
				}
				return
			}
			want := deflate.Name
			if tc.want != "" {
				want += "; " + tc.want
			}
			if !ok || format(response) != want {
				t.Fatalf("answered %q, %t; want %q", format(response), ok, want)
			}
			if c.RSV() != frame.RSV1 {
				t.Errorf("RSV is %v", c.RSV())
			}
			c.Close()
		})
	}
}

// S2.15: of several offers the first that can be accepted is.
func TestAcceptSeveral(t *testing.T) {
	e := deflate.New(nil)
	var answers []string
	for _, o := range []extension.Offer{
		offer("server_max_window_bits=7"), offer("x"), offer("server_max_window_bits=10", "client_max_window_bits"), offer(),
	} {
		if response, c, ok := e.Accept(o); ok {
			c.Close()
			answers = append(answers, format(response))
		}
	}
	if len(answers) != 2 || answers[0] != "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10" {
		t.Errorf("answers %q", answers)
	}
}

// S2.16: the wire's parameters and the local options are fields of their own.
func TestOffer(t *testing.T) {
	for _, tc := range []struct {
		o    *deflate.Options
		want string
	}{
		{nil, "server_no_context_takeover; client_no_context_takeover; client_max_window_bits"},
		{&deflate.Options{Level: 9, Threshold: -1}, "server_no_context_takeover; client_no_context_takeover; client_max_window_bits"},
		{&deflate.Options{ServerContextTakeover: true}, "client_no_context_takeover; client_max_window_bits"},
		{&deflate.Options{ClientContextTakeover: true}, "server_no_context_takeover; client_max_window_bits"},
		{&deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true, ServerMaxWindowBits: 8, ClientMaxWindowBits: 9}, "server_max_window_bits=8; client_max_window_bits=9"},
		{&deflate.Options{ServerContextTakeover: true, MaxContexts: 1}, "server_no_context_takeover; client_no_context_takeover; client_max_window_bits"},
	} {
		e := deflate.New(tc.o)
		if got := e.Offer(); e.Name() != deflate.Name || len(got) != 1 || format(got[0]) != deflate.Name+"; "+tc.want {
			t.Errorf("%+v offers %v, want %q", tc.o, got, tc.want)
		}
	}
}

// What a client thinks of the answer, at the handshake and not at the first
// frame.
func TestConfirm(t *testing.T) {
	both := &deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true}
	small := &deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true, ServerMaxWindowBits: 10, ClientMaxWindowBits: 11}
	for _, tc := range []struct {
		response string
		o        *deflate.Options
		want     string // part of the error
	}{
		{"", both, ""},
		{"server_no_context_takeover", nil, ""},
		{"server_no_context_takeover client_no_context_takeover server_max_window_bits=8 client_max_window_bits=8", both, ""},
		{"server_no_context_takeover client_no_context_takeover server_max_window_bits=15 client_max_window_bits=15", both, ""},
		{"server_max_window_bits=10", small, ""},
		{"server_max_window_bits=9 client_max_window_bits=15", small, ""},

		{"", nil, "ServerContextTakeover"},
		{"client_no_context_takeover", nil, "ServerContextTakeover"},
		{"", small, "ServerMaxWindowBits"},
		{"server_max_window_bits=11", small, "ServerMaxWindowBits"},
		{"server_no_context_takeover=1", both, `server_no_context_takeover has the value "1"`},
		{"client_no_context_takeover=1", both, `client_no_context_takeover has the value "1"`},
		{"client_max_window_bits", both, `client_max_window_bits has the value ""`},
		{"server_max_window_bits", both, `server_max_window_bits has the value ""`},
		{"server_max_window_bits=7", both, `"7"`},
		{"server_max_window_bits=16", both, `"16"`},
		{"client_max_window_bits=0", both, `"0"`},
		{"client_max_window_bits=8x", both, `"8x"`},
		{"client_max_window_bits=08", both, `"08"`},
		{"server_max_window_bits=10 server_max_window_bits=10", both, "given twice"},
		{"server_no_context_takeover server_no_context_takeover", both, "given twice"},
		{"x-" + strings.Repeat("y", 100), both, "has no parameter \"x-" + strings.Repeat("y", 62) + "\""},
		{"", &deflate.Options{Level: 10}, "Level"},
	} {
		c, err := deflate.New(tc.o).Confirm(offer(strings.Fields(tc.response)...))
		if tc.want == "" {
			if err != nil {
				t.Errorf("%q: %v", tc.response, err)
				continue
			}
			c.Close()
			continue
		}
		if err == nil || c != nil || !strings.HasPrefix(err.Error(), "websocket: ") || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: error %v, want one with %q", tc.response, err, tc.want)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		o     *deflate.Options
		field string
	}{
		{nil, ""},
		{&deflate.Options{}, ""},
		{&deflate.Options{Level: 9, Threshold: -5, ServerMaxWindowBits: 8, ClientMaxWindowBits: 15, MaxContexts: -1}, ""},
		{&deflate.Options{Level: -1}, "Level"},
		{&deflate.Options{Level: 10}, "Level"},
		{&deflate.Options{ServerMaxWindowBits: 7}, "ServerMaxWindowBits"},
		{&deflate.Options{ServerMaxWindowBits: 16}, "ServerMaxWindowBits"},
		{&deflate.Options{ClientMaxWindowBits: -8}, "ClientMaxWindowBits"},
	} {
		e := deflate.New(tc.o)
		own := e.(interface{ Validate() error }).Validate()
		for _, err := range []error{tc.o.Validate(), own} {
			var oe *option.Error
			if tc.field == "" && err != nil || tc.field != "" && (!errors.As(err, &oe) || oe.Field != tc.field) {
				t.Errorf("%+v: %v, want one for %q", tc.o, err, tc.field)
			}
		}
		if tc.field != "" && e.Offer() != nil {
			t.Errorf("%+v: offers %v", tc.o, e.Offer())
		}
	}
}

// New copies its options.
func TestNewCopies(t *testing.T) {
	o := &deflate.Options{ServerContextTakeover: true}
	e := deflate.New(o)
	*o = deflate.Options{Level: -1}
	if got := format(e.Offer()[0]); !strings.HasPrefix(got, deflate.Name+"; client_no") {
		t.Errorf("offers %q", got)
	}
}

// D13: connections beyond the budget are agreed without takeover, and Close
// gives back.
func TestBudget(t *testing.T) {
	const full, none = deflate.Name, deflate.Name + "; server_no_context_takeover; client_no_context_takeover"
	e := deflate.New(&deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true})
	var codecs []extension.Codec
	accept := func(want string) {
		t.Helper()
		response, c, ok := e.Accept(offer())
		if !ok || format(response) != want {
			t.Fatalf("connection %d: answered %q, want %q", len(codecs), format(response), want)
		}
		codecs = append(codecs, c)
	}
	const fit = 64 << 20 / (16<<10 + 32<<10)
	for range fit { // of 48 KiB in 64 MiB
		accept(full)
	}
	accept(none)
	codecs[fit].Close() // had none
	accept(none)
	codecs[7].Close()
	accept(full)
	accept(none)
	for i, c := range codecs {
		if i != 7 && i != fit {
			c.Close()
		}
	}
	codecs = nil
	accept(full)

	// Smaller windows cost less, another value counts for itself, and a
	// negative budget has no end.
	e = deflate.New(&deflate.Options{ClientContextTakeover: true, ClientMaxWindowBits: 9, MaxContexts: 3 * 512})
	for i := range 4 {
		response, _, _ := e.Accept(offer("client_max_window_bits"))
		if got := len(response.Params) == 2; got != (i < 3) {
			t.Errorf("connection %d: answered %q", i, format(response))
		}
	}
	e = deflate.New(&deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true, MaxContexts: -1})
	for range 2000 {
		accept(full)
	}
}

// D13 at a client: what was offered holds, but our own direction goes without.
func TestBudgetClient(t *testing.T) {
	e := deflate.New(&deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true, MaxContexts: 80_000})
	first := format(e.Offer()[0])
	var codecs []extension.Codec
	for range 2 {
		c, err := e.Confirm(offer())
		if err != nil {
			t.Fatal(err)
		}
		codecs = append(codecs, c)
	}
	if got := format(e.Offer()[0]); got == first || !strings.Contains(got, "server_no_context_takeover; client_no") {
		t.Errorf("offers %q while the budget is spent", got)
	}
	text := jsonText(1000, 1)
	for i, c := range codecs {
		encode(t, c, text, 1)
		small := len(encode(t, c, text, 1)) < 100
		if small != (i == 0) {
			t.Errorf("connection %d: the second message refers to the first: %t", i, small)
		}
		c.Close()
	}
	if got := format(e.Offer()[0]); got != first {
		t.Errorf("offers %q after Close, %q before", got, first)
	}
}

// Codecs without takeover share what they make of a message when their
// settings are the same.
func TestShareKey(t *testing.T) {
	key := func(o *deflate.Options, offered ...string) any {
		_, c, ok := deflate.New(o).Accept(offer(offered...))
		if !ok {
			t.Fatal("declined")
		}
		defer c.Close()
		k, ok := c.(extension.Sharer).ShareKey()
		if !ok {
			return nil
		}
		return k
	}
	plain := key(nil)
	if plain == nil || plain != key(&deflate.Options{}) {
		t.Error("equal settings have different keys")
	}
	if plain == key(&deflate.Options{ServerMaxWindowBits: 9}) || plain == key(&deflate.Options{Level: 6}) {
		t.Error("different settings have equal keys")
	}
	if key(&deflate.Options{ServerContextTakeover: true}) != nil {
		t.Error("shared with takeover")
	}
}
