package h2_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket/h2"
)

// A client that waits for a 100 gets one when the body is read, and not before.
func TestContinue(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		read := make(chan struct{})
		h := start(t, setup{transport: transport}, func(w http.ResponseWriter, r *http.Request) {
			if _, ok := r.Header["Expect"]; ok {
				t.Error("Expect is among the fields")
			}
			w.WriteHeader(http.StatusEarlyHints)
			<-read
			io.Copy(w, r.Body)
		})
		c := h.raw(t)
		c.request(1, false, "POST", "/", "expect", "100-continue")
		c.want("HEADERS 1 [:status=103]")
		close(read)
		c.want("HEADERS 1 [:status=100]")
		c.data(1, true, "body")
		c.want("HEADERS 1 [:status=200 content-length=4 content-type=text/plain; charset=utf-8]", "DATA 1 end body")
	})
}

// There is no 100 behind an answer that has begun, and none when there is no
// body, nor twice.
func TestNoContinue(t *testing.T) {
	h := start(t, setup{transport: "h2c"}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/begun":
			w.(http.Flusher).Flush()
		case "/own":
			w.WriteHeader(http.StatusContinue)
		case "/refuse":
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		io.Copy(w, r.Body)
	})
	c := h.raw(t)
	c.request(1, false, "POST", "/begun", "expect", "100-continue")
	c.want("HEADERS 1 [:status=200]")
	c.data(1, true, "body")
	c.want("DATA 1 end body")

	c.request(3, true, "POST", "/", "expect", "100-continue")
	c.want("HEADERS 3 end [:status=200 content-length=0]")

	c.request(5, false, "POST", "/own", "expect", "100-continue")
	c.want("HEADERS 5 [:status=100]")
	c.data(5, true, "body")
	c.want("HEADERS 5 [:status=200 content-length=4 content-type=text/plain; charset=utf-8]", "DATA 5 end body")

	c.request(7, false, "POST", "/refuse", "expect", "100-continue")
	c.want("HEADERS 7 [:status=403 content-length=3 content-type=text/plain; charset=utf-8 x-content-type-options=nosniff]", "DATA 7 end no\n", "RST_STREAM 7 NO_ERROR")
}

// What the handler does not read, the client is told not to send.
func TestUnreadBody(t *testing.T) {
	h := start(t, setup{transport: "h2c"}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "enough") })
	c := h.raw(t)
	c.request(1, false, "POST", "/")
	c.want("HEADERS 1 [:status=200 content-length=6 content-type=text/plain; charset=utf-8]", "DATA 1 end enough", "RST_STREAM 1 NO_ERROR")
	c.data(1, true, "too late")
	c.request(3, false, "POST", "/")
	c.want("HEADERS 3 [:status=200 content-length=6 content-type=text/plain; charset=utf-8]", "DATA 3 end enough", "RST_STREAM 3 NO_ERROR")
}

// A body is read as the handler likes; the client may send a window ahead.
func TestBackPressure(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		read := make(chan struct{})
		h := start(t, setup{transport: transport, options: &h2.Options{StreamWindow: 1 << 16}}, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == "POST" {
				<-read
			}
			io.Copy(w, r.Body)
		})
		c := h.raw(t)
		if c.first[http2.SettingInitialWindowSize] != 1<<16 && c.first[http2.SettingInitialWindowSize] != 0 {
			t.Errorf("SETTINGS %v", c.first)
		}
		c.request(1, false, "POST", "/")
		body := string(pattern(1 << 16))
		for p := body; p != ""; p = p[1<<14:] {
			c.data(1, false, p[:1<<14])
		}
		c.request(3, false, "GET", "/") // others go on
		c.data(3, true, "quick")
		c.want("HEADERS 3 [:status=200 content-length=5 content-type=text/plain; charset=utf-8]", "DATA 3 end quick")
		close(read)
		for got := ""; got != body; {
			f, err := c.fr.ReadFrame()
			c.must(err)
			switch f := f.(type) {
			case *http2.DataFrame:
				got += string(f.Data())
				for id := range uint32(2) {
					c.must(c.fr.WriteWindowUpdate(id, max(1, uint32(len(f.Data())))))
				}
			case *http2.WindowUpdateFrame:
				if f.StreamID == 1 && body[len(body)-1] != '.' {
					body += "."
					c.data(1, true, ".")
				}
			}
			if len(got) > len(body) {
				t.Fatal("more came than was sent")
			}
		}
	})
}

// The errors of reading a body.
func TestBodyErrors(t *testing.T) {
	errs := make(chan error, 1)
	begun := make(chan bool, 1)
	h := start(t, setup{transport: "h2c"}, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/lost":
			begun <- true
		case "/closed":
			r.Body.Close()
		case "/close":
			w.WriteHeader(http.StatusEarlyHints)
			go r.Body.Close()
		case "/deadline":
			http.NewResponseController(w).SetReadDeadline(time.Now().Add(time.Millisecond))
		}
		_, err := io.Copy(io.Discard, r.Body)
		_, again := r.Body.Read(make([]byte, 1))
		if fmt.Sprint(err) != fmt.Sprint(again) && err != nil {
			t.Errorf("%s: %v, then %v", r.URL.Path, err, again)
		}
		errs <- err
	})
	c := h.raw(t)
	var se *h2.StreamError

	c.request(1, false, "POST", "/")
	c.data(1, false, "part")
	c.must(c.fr.WriteRSTStream(1, http2.ErrCodeCancel))
	if err := wait(t, errs); !errors.As(err, &se) || se.Code != h2.ErrCodeCancel || !se.Remote {
		t.Errorf("reset: %v", err)
	}

	c.request(3, false, "POST", "/", "content-length", "10")
	c.data(3, true, "less")
	if err := wait(t, errs); !errors.As(err, &se) || se.Code != h2.ErrCodeProtocol || se.Remote {
		t.Errorf("less than declared: %v", err)
	}

	c.request(5, false, "POST", "/closed")
	if err := wait(t, errs); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("closed: %v", err)
	}

	c.request(7, false, "POST", "/close")
	if err := wait(t, errs); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("closed while reading: %v", err)
	}

	c.request(9, false, "POST", "/deadline")
	var te interface{ Timeout() bool }
	if err := wait(t, errs); !errors.As(err, &te) || !te.Timeout() {
		t.Errorf("deadline: %v", err)
	}

	c.request(11, false, "POST", "/lost")
	c.data(11, false, "part")
	wait(t, begun)
	c.nc.Close()
	if err := wait(t, errs); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("connection lost: %v", err)
	}
}

// MaxBytesReader and ParseMultipartForm work as with any body.
func TestBodyReaders(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		h := start(t, setup{transport: transport}, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
			if err := r.ParseMultipartForm(1 << 10); err != nil {
				var tooBig *http.MaxBytesError
				if errors.As(err, &tooBig) {
					http.Error(w, "too big", http.StatusRequestEntityTooLarge)
					return
				}
				t.Error(err)
			}
			f, err := r.MultipartForm.File["f"][0].Open()
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			n, _ := io.Copy(io.Discard, f)
			fmt.Fprint(w, n)
		})
		for size, want := range map[int]string{500000: "500000", 2 << 20: "too big\n"} {
			r := h.request(t, "POST", "/", bytes.NewReader(form(size)))
			r.Header.Set("Content-Type", "multipart/form-data; boundary=xyz")
			if a := h.do(t, r); a.body != want {
				t.Errorf("%d: %+v", size, a)
			}
		}
	})
}

func form(n int) []byte {
	var b bytes.Buffer
	b.WriteString("--xyz\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a\"\r\n\r\n")
	b.Write(pattern(n))
	b.WriteString("\r\n--xyz--\r\n")
	return b.Bytes()
}

// Trailers of a request: the announced ones, after the body.
func TestRequestTrailers(t *testing.T) {
	h := start(t, setup{transport: "h2c"}, func(w http.ResponseWriter, r *http.Request) {
		before := fmt.Sprint(r.Trailer)
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, before, " ", r.Trailer, " ", r.Header["Trailer"])
	})
	c := h.raw(t)
	c.request(1, false, "POST", "/", "trailer", "x-sum, content-length, x-two", "trailer", "X-Three")
	c.data(1, false, "body")
	c.headers(1, true, "x-sum", "1", "x-sum", "2", "x-three", "3", "x-other", "not announced")
	c.next()
	c.want("DATA 1 end map[X-Sum:[] X-Three:[] X-Two:[]] map[X-Sum:[1 2] X-Three:[3] X-Two:[]] []")
	c.request(3, false, "POST", "/")
	c.headers(3, true, "x-other", "not announced")
	c.next()
	c.want("DATA 3 end map[] map[] []")
}

// Reading and writing at the same time.
func TestFullDuplex(t *testing.T) {
	each(t, func(t *testing.T, transport string) {
		h := start(t, setup{transport: transport}, func(w http.ResponseWriter, r *http.Request) {
			rc := http.NewResponseController(w)
			rc.EnableFullDuplex()
			rc.Flush()
			p := make([]byte, 10)
			for {
				n, err := r.Body.Read(p)
				if err != nil {
					return
				}
				io.WriteString(w, strings.ToUpper(string(p[:n])))
				rc.Flush()
			}
		})
		pr, pw := io.Pipe()
		defer pw.Close()
		resp, err := h.Do(h.request(t, "POST", "/", pr))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		p := make([]byte, 10)
		for _, word := range []string{"one", "two", "three"} {
			io.WriteString(pw, word)
			if n, err := resp.Body.Read(p); string(p[:n]) != strings.ToUpper(word) {
				t.Errorf("%q, %v", p[:n], err)
			}
		}
	})
}
