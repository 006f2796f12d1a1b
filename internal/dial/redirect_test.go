package dial_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"

	"github.com/lariat-go/websocket/internal/dial"
)

// H-C10: where redirects are followed to, and what goes along.
func TestRedirects(t *testing.T) {
	for _, tt := range []struct {
		name     string
		from     string
		location string
		status   int // 0: 302
		unix     string
		want     string // empty: not followed
		keeps    bool   // the credentials
		taken    bool   // the answer is taken as it is
	}{
		{name: "a path", from: "wss://u:p@h/a", location: "b", want: "https://u:p@h/b", keeps: true},
		{name: "the same origin, spelled otherwise", from: "wss://u:p@h/a", location: "https://H:443/b", want: "https://u:p@H:443/b", keeps: true},
		{name: "another path, http", from: "http://h/a", location: "/b?c", want: "http://h/b?c", keeps: true},
		{name: "another port", from: "wss://u:p@h/a", location: "wss://h:444/b", want: "https://h:444/b"},
		{name: "another host", from: "ws://u:p@h/a", location: "ws://x:y@i/b", want: "http://i/b"},
		{name: "up to TLS", from: "ws://u:p@h/", location: "wss://h/", want: "https://h/"},
		{name: "out of TLS", from: "wss://h/", location: "ws://h/"},
		{name: "out of TLS, https", from: "https://h/", location: "http://h/"},
		{name: "another scheme", from: "wss://h/", location: "ftp://h/"},
		{name: "nowhere", from: "wss://h/", location: "wss:///"},
		{name: "no URL", from: "wss://h/", location: "%"},
		{name: "away from a unix socket", from: "ws://h/", location: "ws://i/", unix: "/s"},
		{name: "on a unix socket", from: "ws://h/", location: "/b", unix: "/s", want: "http://h/b", keeps: true},
		{name: "no redirect", from: "ws://h/", location: "/b", status: 300, taken: true},
		{name: "refused", from: "ws://h/", location: "/b", status: 401, taken: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sent := http.Header{"authorization": {"a"}, "Cookie": {"b"}, "Proxy-Authorization": {"c"}, "Host": {"d"}, "X": {"e"}}
			f := &dial.Redirects{Max: 1, Unix: tt.unix, Header: sent}
			from, err := url.Parse(tt.from)
			if err != nil {
				t.Fatal(err)
			}
			status := tt.status
			if status == 0 {
				status = http.StatusFound
			}
			answer := http.Header{"Location": {tt.location}}
			to, err := f.Next(from, from.User, status, answer)
			switch {
			case tt.taken:
				if to != nil || err != nil {
					t.Errorf("%v, %v", to, err)
				}
				return
			case tt.want == "":
				if to != nil || !errors.Is(err, dial.ErrRedirect) {
					t.Errorf("%v, %v", to, err)
				}
				return
			case err != nil || to.String() != tt.want:
				t.Fatalf("%v, %v; want %s", to, err, tt.want)
			}
			if want := map[bool]int{true: 5, false: 1}[tt.keeps]; len(sent) != want || sent["X"] == nil {
				t.Errorf("sent along: %v", sent)
			}
			if to, err := f.Next(from, nil, status, answer); to != nil || !errors.Is(err, dial.ErrRedirect) {
				t.Errorf("one more than the limit: %v, %v", to, err)
			}
		})
	}
	f := &dial.Redirects{Max: 1}
	from := &url.URL{Scheme: "ws", Host: "h"}
	if to, err := f.Next(from, nil, 302, http.Header{"Location": {"/a", "/b"}}); to != nil || !errors.Is(err, dial.ErrRedirect) {
		t.Errorf("two places: %v, %v", to, err)
	}
	f.Max = 0
	if to, err := f.Next(from, nil, 302, http.Header{"Location": {"/a"}}); to != nil || err != nil {
		t.Errorf("none are followed: %v, %v", to, err)
	}
}
