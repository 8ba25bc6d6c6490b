// Does what each line of stdin asks, by clients/jqjobs.go; see test_clients.py.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"runner/jqjobs"
)

type asked struct {
	Verb, Queue string
	Batch       string
	Options     jqjobs.BatchOptions
	Count       int64
	Envelope    json.RawMessage
	Envelopes   []json.RawMessage
	Answer      struct {
		Resolve, Token string
		Result         any
		Error          *string
	}
}

type said map[string]any

// inexpressible is what no Envelope can say: another type, null, or an empty text where that is no value.
var inexpressible = errors.New("inexpressible")

func main() {
	jq, err := jqjobs.New(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	jq.Timeout = 2 * time.Second
	if len(os.Args) > 2 {
		jq.Meta = func(context.Context) (meta map[string]any) {
			json.Unmarshal([]byte(os.Args[2]), &meta)
			return meta
		}
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var request asked
		if err := json.Unmarshal(lines.Bytes(), &request); err != nil {
			log.Fatal(err)
		}
		answer, err := run(jq, request)
		if err != nil {
			answer = described(err)
		}
		text, _ := json.Marshal(answer)
		fmt.Println(string(text))
	}
}

func run(jq *jqjobs.Client, request asked) (said, error) {
	ctx := context.Background()
	switch request.Verb {
	case "enqueue":
		envelope, err := read(request.Envelope)
		if err != nil {
			return nil, err
		}
		id, err := jq.Enqueue(ctx, request.Queue, envelope)
		return said{"id": id}, err
	case "enqueue_many":
		envelopes := make([]jqjobs.Envelope, len(request.Envelopes))
		for i, raw := range request.Envelopes {
			var err error
			if envelopes[i], err = read(raw); err != nil {
				return nil, err
			}
		}
		ids, err := jq.EnqueueMany(ctx, request.Queue, envelopes)
		return said{"ids": ids}, err
	case "open_batch":
		return said{"opened": nil}, jq.OpenBatch(ctx, request.Batch, request.Options)
	case "close_batch":
		return said{"closed": nil}, jq.CloseBatch(ctx, request.Batch, request.Count)
	case "close":
		jq.Close()
		return said{"closed": nil}, nil
	}
	to := request.Answer
	if to.Error != nil {
		return said{"answered": nil}, jq.Fail(ctx, request.Queue, to.Resolve, to.Token, *to.Error)
	}
	return said{"answered": nil}, jq.Resolve(ctx, request.Queue, to.Resolve, to.Token, to.Result)
}

func read(raw json.RawMessage) (envelope jqjobs.Envelope, err error) {
	var values map[string]any
	if err := json.Unmarshal(raw, &values); err != nil {
		return envelope, err
	}
	exact := bytes.NewReader(raw)
	decoder := json.NewDecoder(exact)
	decoder.DisallowUnknownFields()
	for key, value := range values {
		if value == nil || value == "" && key != "args" || key == "Priority" { // Go would match that one too
			return envelope, inexpressible
		}
	}
	if decoder.Decode(&envelope) != nil {
		return envelope, inexpressible
	}
	return envelope, nil
}

func described(err error) said {
	var invalid *jqjobs.InvalidEnvelope
	var failed *jqjobs.NotStored
	switch {
	case errors.Is(err, inexpressible):
		return said{"inexpressible": true}
	case errors.As(err, &invalid):
		return said{"refused": invalid.Code}
	case errors.As(err, &failed):
		ids := make([]string, len(failed.Envelopes))
		for i, envelope := range failed.Envelopes {
			ids[i] = envelope.ID
		}
		kind := map[bool]string{true: "no_answer", false: "not_stored"}[failed.Unanswered]
		return said{kind: err.Error(), "ids": ids}
	}
	log.Fatal(err)
	return nil
}
