#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "pipeline/base/clock.h"
#include "pipeline/base/mailbox.h"

struct letter {
    struct mail mail;
    int from, number;
};

static int count_and_free(struct mail *list)
{
    int count = 0;
    while (list) {
        struct mail *next = list->next;
        free(list);
        list = next;
        count++;
    }
    return count;
}

static void post(struct mailbox *mb, int from, int number)
{
    struct letter *l = malloc(sizeof(*l));
    *l = (struct letter){.from = from, .number = number};
    mailbox_post(mb, &l->mail);
}

static void mail_is_taken_in_the_order_of_posting(void **state)
{
    (void)state;
    struct mailbox mb;
    mailbox_init(&mb);
    assert_null(mailbox_take(&mb));
    for (int i = 0; i < 5; i++)
        post(&mb, 0, i);
    struct mail *all = mailbox_take(&mb);
    int expected = 0;
    for (struct mail *m = all; m; m = m->next)
        assert_int_equal(((struct letter *)m)->number, expected++);
    assert_int_equal(count_and_free(all), 5);
    assert_null(mailbox_take(&mb));
    mailbox_release(&mb);
}

static void a_wait_with_mail_or_after_a_wake_returns_at_once(void **state)
{
    (void)state;
    struct mailbox mb;
    mailbox_init(&mb);
    post(&mb, 0, 0);
    mailbox_wait(&mb, NULL, 0, -1);
    mailbox_wait(&mb, NULL, 0, -1); /* still untaken */
    assert_int_equal(count_and_free(mailbox_take(&mb)), 1);
    mailbox_wake(&mb);
    mailbox_wait(&mb, NULL, 0, -1);
    mailbox_wake(&mb);
    assert_null(mailbox_take(&mb));
    mailbox_wait(&mb, NULL, 0, -1); /* a take does not eat the wake */
    mailbox_release(&mb);
}

static void a_wake_counts_for_one_wait_only(void **state)
{
    (void)state;
    struct mailbox mb;
    mailbox_init(&mb);
    mailbox_wake(&mb);
    mailbox_wake(&mb);
    mailbox_wait(&mb, NULL, 0, -1);
    int64_t before = clock_now_us(&clock_system);
    assert_int_equal(mailbox_wait(&mb, NULL, 0, 20000), 0);
    assert_true(clock_now_us(&clock_system) - before >= 20000);
    mailbox_release(&mb);
}

static void a_wait_sees_ready_descriptors_with_and_without_mail(void **state)
{
    (void)state;
    struct mailbox mb;
    mailbox_init(&mb);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct pollfd fds[2] = {{.fd = ends[0], .events = POLLIN}, {.fd = ends[1], .events = POLLOUT}};
    assert_int_equal(mailbox_wait(&mb, fds, 2, 0), 1);
    assert_int_equal(fds[0].revents, 0);
    assert_int_equal(fds[1].revents, POLLOUT);
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(mailbox_wait(&mb, fds, 1, -1), 1);
    assert_int_equal(fds[0].revents, POLLIN);
    post(&mb, 0, 0);
    assert_int_equal(mailbox_wait(&mb, fds, 2, -1), 2);
    assert_int_equal(count_and_free(mailbox_take(&mb)), 1);
    close(ends[0]);
    close(ends[1]);
    mailbox_release(&mb);
}

static void many_descriptors_are_watched_too(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    struct mailbox mb;
    mailbox_init(&mb);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct pollfd fds[COUNT];
    for (int i = 0; i < COUNT; i++)
        fds[i] = (struct pollfd){.fd = i == COUNT - 1 ? ends[1] : ends[0], .events = POLLIN | POLLOUT};
    assert_int_equal(mailbox_wait(&mb, fds, COUNT, -1), 1);
    assert_int_equal(fds[COUNT - 1].revents, POLLOUT);
    close(ends[0]);
    close(ends[1]);
    mailbox_release(&mb);
}

enum { SENDERS = 4, LETTERS = 20000 };

struct sender {
    struct mailbox *mb;
    int number;
};

static void *send_letters(void *arg)
{
    struct sender *s = arg;
    for (int i = 0; i < LETTERS; i++) {
        post(s->mb, s->number, i);
        if (i % 1000 == 0)
            mailbox_wake(s->mb);
    }
    return NULL;
}

/* The owner sleeps for ever between takes: a lost wake-up hangs the test. */
static void no_letter_of_many_senders_is_lost_or_slept_through(void **state)
{
    (void)state;
    struct mailbox mb;
    mailbox_init(&mb);
    pthread_t threads[SENDERS];
    struct sender senders[SENDERS];
    int next[SENDERS] = {0}, received = 0;
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){&mb, i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
    }
    while (received < SENDERS * LETTERS) {
        mailbox_wait(&mb, NULL, 0, -1);
        struct mail *all = mailbox_take(&mb);
        for (struct mail *m = all; m; m = m->next) {
            struct letter *l = (struct letter *)m;
            assert_int_equal(l->number, next[l->from]++);
        }
        received += count_and_free(all);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    assert_null(mailbox_take(&mb));
    mailbox_release(&mb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_is_taken_in_the_order_of_posting),
        cmocka_unit_test(a_wait_with_mail_or_after_a_wake_returns_at_once),
        cmocka_unit_test(a_wake_counts_for_one_wait_only),
        cmocka_unit_test(a_wait_sees_ready_descriptors_with_and_without_mail),
        cmocka_unit_test(many_descriptors_are_watched_too),
        cmocka_unit_test(no_letter_of_many_senders_is_lost_or_slept_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
