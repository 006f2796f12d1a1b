package leakcheck_test

import (
	"bytes"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

func TestRun(t *testing.T) {
	stop := make(chan struct{})
	started := make(chan struct{})
	var file *os.File
	var buf []byte
	for _, tc := range []struct {
		name  string
		run   func() int
		after func()
		code  int
		want  string
	}{
		{name: "clean", run: func() int { return 0 }},
		{name: "failed tests keep their code", run: func() int { return 3 }, code: 3},
		{
			name: "goroutine",
			run: func() int {
				go func() { close(started); <-stop }()
				<-started
				return 0
			},
			after: func() { close(stop) },
			code:  1, want: "a goroutine is left behind:\ngoroutine ",
		},
		{
			name:  "buffer",
			run:   func() int { buf = bufpool.Get(1); return 0 },
			after: func() { bufpool.Put(buf) },
			code:  1, want: "1 buffers were not given back",
		},
		{
			name: "descriptor",
			run: func() int {
				var err error
				if file, err = os.Open("leakcheck.go"); err != nil {
					t.Error(err)
				}
				return 0
			},
			after: func() { file.Close() },
			code:  onLinux(1), want: onLinuxText("leakcheck.go"),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out bytes.Buffer
			code := leakcheck.Run(tc.run, &out)
			if tc.after != nil {
				tc.after()
			}
			if code != tc.code || !strings.Contains(out.String(), tc.want) || tc.want == "" && out.Len() > 0 {
				t.Errorf("code %d, want %d; said %q, want %q", code, tc.code, out.String(), tc.want)
			}
		})
	}
}

// Only Linux tells what is open.
func onLinux(code int) int {
	if runtime.GOOS == "linux" {
		return code
	}
	return 0
}

func onLinuxText(s string) string {
	if runtime.GOOS == "linux" {
		return s
	}
	return ""
}
