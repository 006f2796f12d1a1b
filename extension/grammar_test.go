package extension_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/extension"
)

func params(pairs ...string) []extension.Param {
	var ps []extension.Param
	for i := 0; i < len(pairs); i += 2 {
		ps = append(ps, extension.Param{Name: pairs[i], Value: pairs[i+1]})
	}
	return ps
}

func offer(name string, pairs ...string) extension.Offer {
	return extension.Offer{Name: name, Params: params(pairs...)}
}

func TestParseOffers(t *testing.T) {
	deflate := func(pairs ...string) extension.Offer { return offer("permessage-deflate", pairs...) }
	tests := []struct {
		name   string
		values []string
		want   []extension.Offer
	}{
		{"no header", nil, nil},
		// RFC 6455, section 9.1.
		{"6455 9.1 one", []string{"foo"}, []extension.Offer{offer("foo")}},
		{"6455 9.1 parameter", []string{"bar; baz=2"}, []extension.Offer{offer("bar", "baz", "2")}},
		{"6455 9.1 two lines", []string{"foo", "bar; baz=2"}, []extension.Offer{offer("foo"), offer("bar", "baz", "2")}},
		{"6455 9.1 one line", []string{"foo, bar; baz=2"}, []extension.Offer{offer("foo"), offer("bar", "baz", "2")}},
		{
			"6455 9.1 list",
			[]string{`deflate-stream`, `mux; max-channels=4; flow-control, deflate-stream`, `private-extension`},
			[]extension.Offer{offer("deflate-stream"), offer("mux", "max-channels", "4", "flow-control", ""), offer("deflate-stream"), offer("private-extension")},
		},
		// RFC 7692, section 7.1.
		{"7692 7.1 simplest", []string{"permessage-deflate"}, []extension.Offer{deflate()}},
		{
			"7692 7.1.3 offers in order",
			[]string{"permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate; client_max_window_bits"},
			[]extension.Offer{deflate("client_max_window_bits", "", "server_max_window_bits", "10"), deflate("client_max_window_bits", "")},
		},
		{
			"7692 7.1.3 answer",
			[]string{"permessage-deflate; server_max_window_bits=10"},
			[]extension.Offer{deflate("server_max_window_bits", "10")},
		},
		{
			"7692 7.1.1 takeover",
			[]string{"permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
			[]extension.Offer{deflate("server_no_context_takeover", "", "client_no_context_takeover", "")},
		},
		{"quoted value", []string{`foo; bits="10"`}, []extension.Offer{offer("foo", "bits", "10")}},
		{"escapes in a quoted value", []string{`foo; bits="\1\0"; x`}, []extension.Offer{offer("foo", "bits", "10", "x", "")}},
		{"H-S16 duplicate parameter kept for the extension to decline", []string{"foo; a=1; a=2"}, []extension.Offer{offer("foo", "a", "1", "a", "2")}},
		{"spaces and tabs", []string{" \tfoo \t;\ta = 1 , bar\t"}, []extension.Offer{offer("foo", "a", "1"), offer("bar")}},
		{"null elements", []string{",, foo ,\t, bar, ,"}, []extension.Offer{offer("foo"), offer("bar")}},
		{"null line beside another", []string{"", "foo"}, []extension.Offer{offer("foo")}},
		{"case kept", []string{"Foo; Bar=Baz"}, []extension.Offer{offer("Foo", "Bar", "Baz")}},
		{"every mark of a token", []string{"!#$%&'*+-.^_`|~09azAZ"}, []extension.Offer{offer("!#$%&'*+-.^_`|~09azAZ")}},
		{"H-S18 odd names", []string{"constructor, __proto__"}, []extension.Offer{offer("constructor"), offer("__proto__")}},
		{"H-S18 long name", []string{strings.Repeat("x", 4000)}, []extension.Offer{offer(strings.Repeat("x", 4000))}},
		{"H-S17 16 offers", []string{strings.Repeat("a,", 8), strings.Repeat("b,", 8)}, append(repeat(offer("a"), 8), repeat(offer("b"), 8)...)},
		{"H-S17 16 parameters", []string{"a" + strings.Repeat(";p=1", 16)}, []extension.Offer{{Name: "a", Params: repeat(extension.Param{Name: "p", Value: "1"}, 16)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := extension.ParseOffers(tt.values)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("ParseOffers(%q)\n got %v, %v\nwant %v", tt.values, got, err, tt.want)
			}
			if got == nil {
				return
			}
			again, err := extension.ParseOffers([]string{extension.FormatOffers(got)})
			if err != nil || !reflect.DeepEqual(again, tt.want) {
				t.Errorf("after FormatOffers: %v, %v", again, err)
			}
		})
	}
}

func repeat[T any](v T, n int) []T {
	s := make([]T, n)
	for i := range s {
		s[i] = v
	}
	return s
}

func TestParseOffersRefuses(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		want   string // the error's text; H-S16: malformed header grammar
	}{
		{"no element", []string{""}, `websocket: malformed header line 1, byte 1: found the end, want the name of an extension`},
		{"null elements only", []string{", ,"}, `websocket: malformed header line 1, byte 1: found ", ,", want the name of an extension`},
		{"no name", []string{"a", ";x"}, `websocket: malformed header line 2, byte 1: found ";x", want the name of an extension`},
		{"name in quotes", []string{`"a"`}, `websocket: malformed header line 1, byte 1: found "\"a\"", want the name of an extension`},
		{"no parameter", []string{"a; "}, `websocket: malformed header line 1, byte 4: found the end, want the name of a parameter`},
		{"empty parameter", []string{"a;;b"}, `websocket: malformed header line 1, byte 3: found ";b", want the name of a parameter`},
		{"no value", []string{"a;b="}, `websocket: malformed header line 1, byte 5: found the end, want a value, a token`},
		{"value no token", []string{"a;b=/"}, `websocket: malformed header line 1, byte 5: found "/", want a value, a token`},
		{"two names", []string{"a b"}, `websocket: malformed header line 1, byte 3: found "b", want ";", "," or the end`},
		{"two values", []string{"a;b=1 2"}, `websocket: malformed header line 1, byte 7: found "2", want ";", "," or the end`},
		{"value of an element", []string{"a=1"}, `websocket: malformed header line 1, byte 2: found "=1", want ";", "," or the end`},
		{"empty quotes", []string{`a;b=""`}, `websocket: malformed header line 1, byte 6: found "\"", want a quoted value that is a token`},
		{"open quotes", []string{`a;b="1`}, `websocket: malformed header line 1, byte 7: found the end, want a quoted value that is a token`},
		{"escape at the end", []string{`a;b="1\`}, `websocket: malformed header line 1, byte 8: found the end, want a quoted value that is a token`},
		{"quoted space", []string{`a;b="1 0"`}, `websocket: malformed header line 1, byte 7: found " 0\"", want a quoted value that is a token`},
		{"quoted quote", []string{`a;b="\""`}, `websocket: malformed header line 1, byte 7: found "\"\"", want a quoted value that is a token`},
		{"text behind quotes", []string{`a;b="1"0`}, `websocket: malformed header line 1, byte 8: found "0", want ";", "," or the end`},
		{"CR LF", []string{"a\r\nb"}, `websocket: malformed header line 1, byte 2: found "\r\nb", want ";", "," or the end`},
		{"NUL", []string{"a\x00"}, `websocket: malformed header line 1, byte 2: found "\x00", want ";", "," or the end`},
		{"NUL first", []string{"\x00"}, `websocket: malformed header line 1, byte 1: found "\x00", want the name of an extension`},
		{"not ASCII", []string{"\xe9"}, `websocket: malformed header line 1, byte 1: found "\xe9", want the name of an extension`},
		{"64 bytes quoted", []string{"a " + strings.Repeat("x", 80)}, `websocket: malformed header line 1, byte 3: found "` + strings.Repeat("x", 64) + `", want ";", "," or the end`},
		{"H-S17 17 offers", []string{strings.Repeat("a,", 16), "b"}, "websocket: too many elements in a header: more than 16 extensions"},
		{"H-S17 17 parameters", []string{"a" + strings.Repeat(";p", 17)}, `websocket: too many elements in a header: more than 16 parameters of "a"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := extension.ParseOffers(tt.values)
			if got != nil || err == nil || err.Error() != tt.want {
				t.Fatalf("ParseOffers(%q)\n got %v, %v\nwant %v", tt.values, got, err, tt.want)
			}
			var syntax *extension.SyntaxError
			if errors.As(err, &syntax) == errors.Is(err, extension.ErrTooMany) {
				t.Errorf("%T is neither a SyntaxError nor ErrTooMany", err)
			}
		})
	}
}

func TestParseTokens(t *testing.T) {
	tests := []struct {
		name   string
		values []string
		limit  int
		want   []string
		err    string
	}{
		{"no header", nil, 0, nil, ""},
		{"one", []string{"chat"}, 0, []string{"chat"}, ""},
		{"6455 1.2", []string{"chat, superchat"}, 0, []string{"chat", "superchat"}, ""},
		{"lines", []string{"a ,\tb", " C "}, 0, []string{"a", "b", "C"}, ""},
		{"H-S15 no token", []string{"a/b"}, 0, nil, `websocket: malformed header line 1, byte 2: found "/b", want "," or the end`},
		{"H-S15 space inside", []string{"a b"}, 0, nil, `websocket: malformed header line 1, byte 3: found "b", want "," or the end`},
		{"H-S15 quoted", []string{`"a"`}, 0, nil, `websocket: malformed header line 1, byte 1: found "\"a\"", want a token`},
		{"H-S15 empty header", []string{""}, 0, nil, `websocket: malformed header line 1, byte 1: found the end, want a token`},
		{"H-S15 empty element", []string{"a,,b"}, 0, nil, `websocket: malformed header line 1, byte 3: found ",b", want a token`},
		{"H-S15 empty at the end", []string{"a, "}, 0, nil, `websocket: malformed header line 1, byte 4: found the end, want a token`},
		{"H-S15 CR LF", []string{"a\r\nb"}, 0, nil, `websocket: malformed header line 1, byte 2: found "\r\nb", want "," or the end`},
		{"H-S17 32", []string{strings.Repeat("a,", 31) + "a"}, 0, repeat("a", 32), ""},
		{"H-S17 33", []string{strings.Repeat("a,", 31) + "a", "b"}, 0, nil, "websocket: too many elements in a header: more than 32"},
		{"limit reached", []string{"a,b"}, 2, []string{"a", "b"}, ""},
		{"limit passed", []string{"a,b,c"}, 2, nil, "websocket: too many elements in a header: more than 2"},
		{"no limit", []string{strings.Repeat("a,", 99) + "a"}, -1, repeat("a", 100), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := extension.ParseTokens(tt.values, tt.limit)
			if tt.err == "" {
				if err != nil || !reflect.DeepEqual(got, tt.want) {
					t.Fatalf("got %q, %v; want %q", got, err, tt.want)
				}
			} else if got != nil || err == nil || err.Error() != tt.err {
				t.Fatalf("got %q, %v; want error %s", got, err, tt.err)
			}
		})
	}
}

func TestHasToken(t *testing.T) {
	tests := []struct {
		values []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"upgrade"}, true},
		{[]string{"keep-alive, Upgrade"}, true},
		{[]string{"keep-alive,,\tUPGRADE\t,"}, true}, // RFC 9110, section 5.6.1.2
		{[]string{"close", "x/1, upgrade"}, true},
		{[]string{"upgraded"}, false},
		{[]string{"keep-alive upgrade"}, false},
		{[]string{`"upgrade"`}, false},
	}
	for _, tt := range tests {
		if got := extension.HasToken(tt.values, "upgrade"); got != tt.want {
			t.Errorf("HasToken(%q) = %v", tt.values, got)
		}
	}
	// Tokens are ASCII. Unicode also folds the Kelvin sign to a k and the long s
	// to an s, and an intermediary would not.
	for token, look := range map[string]string{"websocket": "websoc\u212aet", "x-s": "x-\u017f"} {
		if extension.HasToken([]string{look}, token) || !extension.HasToken([]string{strings.ToUpper(token)}, token) {
			t.Errorf("HasToken takes %q for %q, or not its capitals", look, token)
		}
	}
}

func TestValid(t *testing.T) {
	tests := []struct {
		offer extension.Offer
		want  bool
	}{
		{offer("a"), true},
		{offer("a", "b", "", "c", "1"), true},
		{offer(""), false},
		{offer("a b"), false},
		{offer("a\r\nX: y"), false},
		{offer("a", "", ""), false},
		{offer("a", "b", "1 2"), false},
		{offer("a", "b", "1\r\n"), false},
		{offer("é"), false},
		{extension.Offer{Name: "a", Params: repeat(extension.Param{Name: "p"}, 16)}, true},
		{extension.Offer{Name: "a", Params: repeat(extension.Param{Name: "p"}, 17)}, false},
	}
	for _, tt := range tests {
		if got := tt.offer.Valid(); got != tt.want {
			t.Errorf("%+v: Valid is %v", tt.offer, got)
		}
	}
	if extension.IsToken("") || !extension.IsToken("x-1") {
		t.Error("IsToken")
	}
}
