<?php

// Does what each line of stdin asks, by clients/jqjobs.php; see test_clients.py.

declare(strict_types=1);

use Jqjobs\{Client, InvalidEnvelope, NoAnswer, NotStored};

set_error_handler(function (int $level, string $message) {
    if (error_reporting() & $level) { // not one that an @ keeps quiet
        throw new ErrorException($message);
    }
    return false;
});
[, $file, $url] = $argv;
require $file;
$meta = isset($argv[3]) ? fn () => json_decode($argv[3], true) : null;
$jq = new Client($url, timeout: 2.0, meta: $meta);

/** Maps stay objects, as an empty one is no list; only the envelope is an array. */
function run(Client $jq, stdClass $asked): array
{
    $answer = $asked->answer ?? null;
    return match (true) {
        $asked->verb === 'enqueue' => ['id' => $jq->enqueue($asked->queue, (array) $asked->envelope)],
        $asked->verb === 'enqueue_many' => [
            'ids' => $jq->enqueueMany($asked->queue, array_map(fn ($one) => (array) $one, $asked->envelopes)),
        ],
        $asked->verb === 'open_batch' => ['opened' => $jq->openBatch($asked->batch, (array) $asked->options)],
        $asked->verb === 'close_batch' => ['closed' => $jq->closeBatch($asked->batch, $asked->count)],
        $asked->verb === 'close' => ['closed' => $jq->close()],
        isset($answer->error) => ['answered' => $jq->fail($asked->queue, $answer->resolve, $answer->token, $answer->error)],
        default => ['answered' => $jq->resolve($asked->queue, $answer->resolve, $answer->token, $answer->result)],
    };
}

while (($line = fgets(STDIN)) !== false) {
    try {
        $said = run($jq, json_decode($line, flags: JSON_THROW_ON_ERROR));
    } catch (InvalidEnvelope $error) {
        $said = ['refused' => $error->reason];
    } catch (NotStored $error) {
        $kind = $error instanceof NoAnswer ? 'no_answer' : 'not_stored';
        $said = [$kind => $error->getMessage(), 'ids' => array_column($error->envelopes, 'id')];
    }
    echo json_encode($said, JSON_THROW_ON_ERROR), "\n";
}
