/* Three threads, one after the other, so that what a debugger shows has one order. */
#include <pthread.h>
#include <stdio.h>

static int shared_sum;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *worker(void *arg)
{
	int n = *(int *)arg;

	pthread_mutex_lock(&lock);
	shared_sum += n;
	pthread_mutex_unlock(&lock);
	return NULL;
}

int main(void)
{
	int values[3] = { 1, 20, 300 };
	pthread_t threads[3];

	for (int i = 0; i < 3; i++) {
		pthread_create(&threads[i], NULL, worker, &values[i]);
		pthread_join(threads[i], NULL);
	}
	printf("sum %d\n", shared_sum);
	return 0;
}
